#include "common/sync/plain_read.h"

#include "common/domain/keys.h"

namespace matricula::sync {

using etcdserverpb::RangeRequest;
using etcdserverpb::TxnRequest;

bool IsRecordKey(std::string_view key) {
  return key.starts_with(domain::kAlunoPrefix) || key.starts_with(domain::kProfessorPrefix) ||
         key.starts_with(domain::kDisciplinaPrefix);
}

bool IsPlainRead(const RangeRequest& request) {
  return request.range_end().empty() && request.revision() == 0 && !request.serializable() &&
         !request.keys_only() && !request.count_only() && request.min_mod_revision() == 0 &&
         request.max_mod_revision() == 0 && request.min_create_revision() == 0 &&
         request.max_create_revision() == 0 && IsRecordKey(request.key());
}

bool IsPlainRead(const TxnRequest& request) {
  return request.compare_size() == 0 && request.success_size() == 1 &&
         request.success(0).has_request_range() && IsPlainRead(request.success(0).request_range());
}

}  // namespace matricula::sync
