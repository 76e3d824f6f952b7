#include "common/store/applier.h"

namespace matricula::store {

base::Result<std::vector<kv::Outcome>> Applier::Apply(std::span<const kv::LogCommand> group,
                                                      storage::Durability durability) {
  auto outcomes = mvcc_.Apply(group, durability);
  if (!outcomes.ok()) return outcomes;
  for (size_t i = 0; i < group.size(); ++i) {
    Follow(*group[i].command, (*outcomes)[i], lessor_);
  }
  return outcomes;
}

// The lessor learns of leases that were really granted and ended, whoever asked for it.
void Applier::Follow(const kv::Command& command, const kv::Outcome& outcome, kv::Lessor& lessor) {
  if (const auto* granted = std::get_if<etcdserverpb::LeaseGrantResponse>(&outcome.response)) {
    lessor.Granted(granted->id(), granted->ttl());
  } else if (std::holds_alternative<etcdserverpb::LeaseRevokeResponse>(outcome.response)) {
    lessor.Revoked(command.lease_revoke().id());
  }
}

}  // namespace matricula::store
