#include "common/domain/pages.h"

namespace matricula::domain {

base::Status SnapshotStatus(const base::Status& status) {
  if (status.code() != base::Code::kOutOfRange) return status;
  return {base::Code::kAborted, "the answer took longer than the store's history: begin again"};
}

Task<base::Result<std::vector<mvccpb::KeyValue>>> PrefixReader::Next(int limit) {
  std::vector<mvccpb::KeyValue> pairs;
  if (over_) co_return pairs;
  etcdserverpb::TxnRequest request;
  AddRange(request.mutable_success(), PrefixPage(prefix_, after_, limit, values_, revision_));
  auto response = co_await transactor_.Read(std::move(request));
  if (!response.ok()) {
    over_ = true;
    co_return SnapshotStatus(response.status());
  }
  if (revision_ == 0) revision_ = response->header().revision();
  auto* range = response->mutable_responses(0)->mutable_response_range();
  pairs.reserve(static_cast<size_t>(range->kvs_size()));
  for (auto& pair : *range->mutable_kvs()) pairs.push_back(std::move(pair));
  if (pairs.empty()) {
    over_ = true;
  } else {
    after_ = pairs.back().key();
  }
  co_return pairs;
}

}  // namespace matricula::domain
