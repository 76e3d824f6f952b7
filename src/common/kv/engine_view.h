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

  // Without a snapshot, each call sees the engine as it is when it starts, or later.
  EngineView(const storage::Engine& engine, int64_t revision,
             const storage::Snapshot* snapshot = nullptr)
      : engine_(engine), revision_(revision), snapshot_(snapshot) {}

  base::Result<std::optional<Version>> Find(std::string_view key) override;
  base::Status Scan(const KeyRange& range, Visitor visitor) override;

  // One version of a key that is known to be there.
  base::Result<Version> Get(std::string_view key, Revision revision);

 private:
  void MustBeNewer(std::unique_ptr<storage::Iterator>& walk) const;
  // Makes of a key's newest version the one that this revision sees; a tombstone where it sees
  // none.
  base::Status GoBack(std::string_view key, Version& version);

  const storage::Engine& engine_;
  const int64_t revision_;
  const storage::Snapshot* const snapshot_;
  std::unique_ptr<storage::Iterator> older_;  // walks versions; one for all calls
  std::string row_;                           // the row sought
  std::string found_;                         // what views of values point into
};

// The error of a row that nothing of ours has written.
base::Status DamagedRow(std::string_view table);

}  // namespace matricula::kv
