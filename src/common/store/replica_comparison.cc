// Of the store of a member: whether its state is that of the others, and what it does if it is not.
#include <utility>

#include <fmt/format.h>

#include "common/base/log.h"
#include "common/kv/errors.h"
#include "common/store/replica_store.h"

namespace matricula::store {

using base::Done;

namespace {

// How often a member that is not to lead tries to get rid of leadership.
constexpr int64_t kRetireEvery_ns = 1'000'000'000;

}  // namespace

void ReplicaStore::OpenComparison() {
  StateComparison::Options options;
  options.clock = options_.clock;
  options.self = identity_.member_id;
  options.leads = [this] { return group_->leads(); };
  options.applied_index = [this] { return mvcc_->applied_index(); };
  options.alarms = [this] { return mvcc_->RaisedAlarms(); };
  options.propose = [this](kv::Command command) {
    group_->Propose(std::move(command), [](const kv::Outcome&) {});
  };
  options.tell_leader = [this](peer::Call call, Done<peer::Answer> done) {
    desk_->Do(std::move(call), std::move(done));
  };
  comparison_ = std::make_unique<StateComparison>(*membership_, std::move(options));
}

void ReplicaStore::OnTick() {
  if (options_.replication->on_tick) options_.replication->on_tick();
  desk_->Tick();
  comparison_->Tick();
  if (!corrupt_ || !open_) return;
  if (watch_thread_) {
    watch_thread_.reset();
    hub_->Close(kv::errors::Corrupt());
  }
  const int64_t now_ns = options_.clock->MonotonicNs();
  if (now_ns < next_retirement_ns_) return;
  next_retirement_ns_ = now_ns + kRetireEvery_ns;
  desk_->GiveUpOffice();
}

// Taking the alarm back does not mend the state: only a new start looks again.
void ReplicaStore::LookAtAlarms() {
  if (corrupt_ || !StateComparison::IsCorrupt(mvcc_->RaisedAlarms(), identity_.member_id)) return;
  corrupt_ = true;
  base::log::Error(
      "state.corrupt",
      {{"member", fmt::format("{:x}", identity_.member_id)},
       {"reason", "the alarm CORRUPT: this replica's state is not that of the majority"},
       {"consequence", "it serves nobody; start it once with --rebuild to get the others' state"}});
  const auto& tell = options_.replication->on_leader;
  if (open_ && tell) tell(false);
}

}  // namespace matricula::store
