#include "common/kv/engine_view.h"

#include <string>

namespace matricula::kv {
namespace {

using base::Result;
using base::Status;

// Old versions of a key are stepped over one by one up to here, then by one seek.
constexpr int kStepsBeforeSeek = 4;

}  // namespace

Status DamagedRow(std::string_view table) {
  return {base::Code::kDataLoss, "a row of table " + std::string(table) + " is damaged"};
}

Result<std::optional<Version>> EngineView::FindRow(std::string_view key) {
  if (!family_rows_) {
    storage::ReadOptions options;
    options.snapshot = snapshot_;
    options.within_family = true;
    family_rows_ = engine_.NewIterator(options);
  }
  row_.clear();
  AppendFamily(row_, key);
  if (revision_ != kNewest) AppendInverted(row_, {revision_, UINT32_MAX});
  family_rows_->Seek(row_);
  if (!family_rows_->Valid()) {
    Status status = family_rows_->status();
    if (!status.ok()) return status;
    return std::optional<Version>();
  }
  Version version;
  std::string_view family;
  if (!ParseDataRow(family_rows_->key(), family, version.mod) ||
      !ParseVersion(family_rows_->value(), version)) {
    return DamagedRow("data");
  }
  return std::optional(version);
}

Result<std::optional<Version>> EngineView::Find(std::string_view key) {
  auto found = FindRow(key);
  if (found.ok() && *found && (*found)->tombstone) return std::optional<Version>();
  return found;
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
  rows->Seek(options.lower);
  return ScanRows(*rows, visitor);
}

Status EngineView::ScanRows(storage::Iterator& rows, Visitor visitor) {
  while (rows.Valid()) {
    Version version;
    std::string_view family;
    if (!ParseDataRow(rows.key(), family, version.mod)) return DamagedRow("data");
    family_ = family;
    if (!SettleInFamily(rows, version.mod)) continue;  // on the next family now

    std::string_view key;
    if (!ParseDataRow(rows.key(), family, version.mod) || !ParseVersion(rows.value(), version) ||
        !ParseFamily(family_, key_, key)) {
      return DamagedRow("data");
    }
    if (!version.tombstone && !visitor(key, version)) return {};
    LeaveFamily(rows);
  }
  return rows.status();
}

bool EngineView::SettleInFamily(storage::Iterator& rows, Revision newest_row) {
  if (newest_row.main <= revision_) return true;
  for (int step = 0; step < kStepsBeforeSeek; ++step) {
    rows.Next();
    if (!rows.Valid()) return false;
    std::string_view family;
    Revision revision;
    if (!ParseDataRow(rows.key(), family, revision)) return true;  // the caller finds the damage
    if (family != family_) return false;
    if (revision.main <= revision_) return true;
  }
  row_ = family_;
  AppendInverted(row_, {revision_, UINT32_MAX});
  rows.Seek(row_);
  return rows.Valid() && rows.key().starts_with(family_);
}

void EngineView::LeaveFamily(storage::Iterator& rows) {
  for (int step = 0; step < kStepsBeforeSeek; ++step) {
    rows.Next();
    if (!rows.Valid() || !rows.key().starts_with(family_)) return;
  }
  row_ = family_;
  ++row_.back();
  rows.Seek(row_);
}

}  // namespace matricula::kv
