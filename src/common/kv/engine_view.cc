#include "common/kv/engine_view.h"

#include <string>
#include <utility>

namespace matricula::kv {

using base::Code;
using base::Result;
using base::Status;

Status DamagedRow(std::string_view table) {
  return {Code::kDataLoss, "a row of the table of " + std::string(table) + " is damaged"};
}

Result<std::optional<Version>> EngineView::Find(std::string_view key) {
  row_ = KeyRow(key);
  auto row = engine_.Get(row_, snapshot_);
  if (!row.ok()) {
    if (row.status().code() == Code::kNotFound) return std::optional<Version>();
    return row.status();
  }
  found_ = std::move(row).value();
  Version version;
  if (!ParseVersion(found_, version)) return DamagedRow("keys");
  if (version.mod.main > revision_) {
    MustBeNewer(older_);
    Status status = GoBack(key, version);
    if (!status.ok()) return status;
  }
  return version.tombstone ? std::optional<Version>() : std::optional(version);
}

// What has just been read may point to a version that a walk opened earlier does not know yet.
void EngineView::MustBeNewer(std::unique_ptr<storage::Iterator>& walk) const {
  if (snapshot_ == nullptr) walk.reset();
}

Status EngineView::GoBack(std::string_view key, Version& version) {
  version = Version{};
  version.tombstone = true;
  if (!older_) {
    storage::ReadOptions options;
    options.snapshot = snapshot_;
    options.within_family = true;
    older_ = engine_.NewIterator(options);
  }
  row_.clear();
  AppendFamily(row_, key);
  AppendInverted(row_, {revision_, UINT32_MAX});
  older_->Seek(row_);
  if (!older_->Valid()) return older_->status();
  return ParseVersion(older_->value(), version) ? Status() : DamagedRow("versions");
}

Status EngineView::Scan(const KeyRange& range, Visitor visitor) {
  if (range.empty()) return {};
  if (range.single()) {
    const auto found = Find(range.begin());
    if (!found.ok()) return found.status();
    if (*found) visitor(range.begin(), **found);
    return {};
  }
  storage::ReadOptions options;
  options.snapshot = snapshot_;
  options.lower = range.LowerRow();
  options.upper = range.UpperRow();
  const auto rows = engine_.NewIterator(options);
  MustBeNewer(older_);
  for (rows->Seek(options.lower); rows->Valid(); rows->Next()) {
    std::string_view key;
    Version version;
    if (!ParseKeyRow(rows->key(), key) || !ParseVersion(rows->value(), version)) {
      return DamagedRow("keys");
    }
    if (version.mod.main > revision_) RETURN_IF_ERROR(GoBack(key, version));
    if (!version.tombstone && !visitor(key, version)) return {};
  }
  return rows->status();
}

Result<Version> EngineView::Get(std::string_view key, Revision revision) {
  auto row = engine_.Get(KeyRow(key), snapshot_);
  if (!row.ok()) return row.status();
  found_ = std::move(row).value();
  Version version;
  if (!ParseVersion(found_, version)) return DamagedRow("keys");
  if (version.mod == revision) return version;
  row = engine_.Get(VersionRow(key, revision), snapshot_);
  if (!row.ok()) return row.status();
  found_ = std::move(row).value();
  if (!ParseVersion(found_, version)) return DamagedRow("versions");
  return version;
}

}  // namespace matricula::kv
