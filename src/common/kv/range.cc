#include "common/kv/range.h"

#include <algorithm>

#include "common/kv/errors.h"

namespace matricula::kv {
namespace {

using base::Status;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using KeyValues = google::protobuf::RepeatedPtrField<mvccpb::KeyValue>;

bool HasFilters(const RangeRequest& request) {
  return request.min_mod_revision() != 0 || request.max_mod_revision() != 0 ||
         request.min_create_revision() != 0 || request.max_create_revision() != 0;
}

bool PassesFilters(const RangeRequest& request, const Version& version) {
  const auto within = [](int64_t revision, int64_t low, int64_t high) {
    return (low == 0 || revision >= low) && (high == 0 || revision <= high);
  };
  return within(version.mod.main, request.min_mod_revision(), request.max_mod_revision()) &&
         within(version.create, request.min_create_revision(), request.max_create_revision());
}

// How many pairs are to be collected before sorting; 0: all. One more than the limit shows that
// there is more.
int64_t FetchLimit(const RangeRequest& request) {
  if (request.sort_order() != RangeRequest::NONE || HasFilters(request)) return 0;
  return request.limit() > 0 ? request.limit() + 1 : 0;
}

// Values are needed in between for sorting by them.
bool SkipsValues(const RangeRequest& request) {
  return request.keys_only() && request.sort_target() != RangeRequest::VALUE;
}

class Collector {
 public:
  Collector(const RangeRequest& request, RangeResponse& response)
      : request_(request),
        response_(response),
        fetch_limit_(FetchLimit(request)),
        filters_(HasFilters(request)),
        skips_values_(SkipsValues(request)) {}

  bool Visit(std::string_view key, const Version& version) {
    ++count_;
    if (request_.count_only()) return true;
    if (fetch_limit_ > 0 && fetched_ == fetch_limit_) return true;  // counts the rest
    ++fetched_;
    if (!filters_ || PassesFilters(request_, version)) {
      auto& pair = *response_.add_kvs();
      FillKeyValue(key, version, pair);
      if (skips_values_) pair.clear_value();
    }
    return !(request_.skip_count() && fetched_ == fetch_limit_);
  }

  int64_t count() const { return count_; }

 private:
  const RangeRequest& request_;
  RangeResponse& response_;
  const int64_t fetch_limit_;
  const bool filters_;
  const bool skips_values_;
  int64_t count_ = 0;
  int64_t fetched_ = 0;
};

template <class Less>
void SortBy(KeyValues& pairs, bool descending, Less less) {
  // Stable, so that equal ones stay in the order of keys.
  std::stable_sort(pairs.pointer_begin(), pairs.pointer_end(),
                   [&](const auto* left, const auto* right) {
                     return descending ? less(*right, *left) : less(*left, *right);
                   });
}

void Sort(const RangeRequest& request, KeyValues& pairs) {
  const bool by_key = request.sort_target() == RangeRequest::KEY;
  if (request.sort_order() == RangeRequest::NONE && by_key) return;
  if (!RangeRequest::SortOrder_IsValid(request.sort_order())) return;  // an order of the future
  const bool descending = request.sort_order() == RangeRequest::DESCEND;
  switch (request.sort_target()) {
    case RangeRequest::VERSION:
      return SortBy(pairs, descending, [](auto& a, auto& b) { return a.version() < b.version(); });
    case RangeRequest::CREATE:
      return SortBy(pairs, descending,
                    [](auto& a, auto& b) { return a.create_revision() < b.create_revision(); });
    case RangeRequest::MOD:
      return SortBy(pairs, descending,
                    [](auto& a, auto& b) { return a.mod_revision() < b.mod_revision(); });
    case RangeRequest::VALUE:
      return SortBy(pairs, descending, [](auto& a, auto& b) { return a.value() < b.value(); });
    default:
      if (descending) std::reverse(pairs.pointer_begin(), pairs.pointer_end());
  }
}

}  // namespace

void FillKeyValue(std::string_view key, const Version& version, mvccpb::KeyValue& out) {
  out.set_key(key.data(), key.size());
  out.set_create_revision(version.create);
  out.set_mod_revision(version.mod.main);
  out.set_version(version.version);
  out.set_value(version.value.data(), version.value.size());
  out.set_lease(version.lease);
}

Status RunRange(View& view, const RangeRequest& request, RangeResponse& response) {
  Collector collector(request, response);
  const KeyRange range(request.key(), request.range_end());
  RETURN_IF_ERROR(view.Scan(range, [&](std::string_view key, const Version& version) {
    return collector.Visit(key, version);
  }));
  response.set_count(collector.count());

  auto& pairs = *response.mutable_kvs();
  Sort(request, pairs);
  if (request.limit() > 0 && pairs.size() > request.limit()) {
    const int limit = static_cast<int>(request.limit());
    pairs.DeleteSubrange(limit, pairs.size() - limit);
    response.set_more(true);
  }
  if (request.keys_only() && !SkipsValues(request)) {
    for (auto& pair : pairs) pair.clear_value();
  }
  return {};
}

base::Result<int64_t> RevisionToRead(int64_t asked, int64_t current, int64_t compacted) {
  if (asked > current) return errors::FutureRevision();
  const int64_t revision = asked <= 0 ? current : asked;
  if (revision < compacted) return errors::Compacted();
  return revision;
}

Status CheckRevisionInTxn(int64_t asked, int64_t current, int64_t compacted) {
  if (asked == 0) return {};
  if (asked > current) return errors::FutureRevision();
  return asked < compacted ? errors::Compacted() : Status();
}

}  // namespace matricula::kv
