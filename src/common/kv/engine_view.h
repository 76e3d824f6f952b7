#pragma once

#include <memory>
#include <string>

#include "common/kv/view.h"
#include "common/storage/engine.h"

namespace matricula::kv {

// What the engine's rows say about one revision. Rows that come later do not show, but rows of
// versions that were cleaned up do not either: who reads at a revision of the past must check
// *afterwards* that it has not been compacted meanwhile.
class EngineView final : public View {
 public:
  // Sees everything.
  static constexpr int64_t kNewest = INT64_MAX;

  // Without a snapshot, each walk sees the engine as it is when the walk starts.
  EngineView(const storage::Engine& engine, int64_t revision,
             const storage::Snapshot* snapshot = nullptr)
      : engine_(engine), revision_(revision), snapshot_(snapshot) {}

  base::Result<std::optional<Version>> Find(std::string_view key) override;
  base::Status Scan(const KeyRange& range, Visitor visitor) override;

  // Like Find, but gives a tombstone too.
  base::Result<std::optional<Version>> FindRow(std::string_view key);

 private:
  base::Status ScanRows(storage::Iterator& rows, Visitor visitor);
  // Puts `rows` on the version of their family that this revision sees; false if there is none.
  bool SettleInFamily(storage::Iterator& rows, Revision newest_row);
  void LeaveFamily(storage::Iterator& rows);

  const storage::Engine& engine_;
  const int64_t revision_;
  const storage::Snapshot* const snapshot_;
  std::unique_ptr<storage::Iterator> family_rows_;  // one for all calls of Find
  std::string row_;                                 // the row sought
  std::string family_;                              // the family a scan is in
  std::string key_;                                 // room for unescaping
};

// The error of a row that nothing of ours has written.
base::Status DamagedRow(std::string_view table);

}  // namespace matricula::kv
