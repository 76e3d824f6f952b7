#include "common/sync/plain_read.h"

#include "common/domain/keys.h"

namespace matricula::sync {

using etcdserverpb::RangeRequest;

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

}  // namespace matricula::sync
