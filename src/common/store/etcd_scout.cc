#include "common/store/etcd_scout.h"

#include <grpc/support/time.h>

#include <algorithm>
#include <utility>

namespace matricula::store {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

}  // namespace

EtcdScout::EtcdScout(EtcdEngine& engine, const std::vector<EtcdEndpoint*>& endpoints,
                     OnLeader on_leader)
    : engine_(engine), on_leader_(std::move(on_leader)) {
  for (EtcdEndpoint* endpoint : endpoints) {
    auto question = std::make_unique<Question>();
    question->endpoint = endpoint;
    question->answered = std::make_unique<EtcdEvent>(
        engine, [this, asked = question.get()](bool) { OnStatus(*asked); });
    questions_.push_back(std::move(question));
  }
}

void EtcdScout::Close() {
  base::MutexLock lock(mutex_);
  closing_ = true;
  for (const auto& context : contexts_) {
    context->TryCancel();
  }
}

// Something does not fit what is known: asks, unless that is being done or was just done.
void EtcdScout::Consider(uint64_t term) {
  if (term > newest_term_) {  // new hope
    newest_term_ = term;
    pause_ms_ = kFirstPauseMs;
    next_round_ns_ = std::min(next_round_ns_, last_round_ns_ + pause_ms_ * kNsPerMs);
  }
  if (under_way_ == 0 && engine_.clock().MonotonicNs() >= next_round_ns_) {
    StartRound();
  }
}

void EtcdScout::StartRound() {
  base::MutexLock lock(mutex_);
  if (closing_) {
    return;
  }
  found_ = false;
  under_way_ = questions_.size();
  for (const auto& question : questions_) {
    contexts_.push_back(std::make_unique<grpc::ClientContext>());
    grpc::ClientContext& context = *contexts_.back();
    context.set_deadline(gpr_time_from_millis(kStatusMs, GPR_TIMESPAN));
    question->response.Clear();
    question->reader = question->endpoint->maintenance->PrepareAsyncStatus(
        &context, etcdserverpb::StatusRequest(), engine_.queue());
    question->reader->StartCall();
    question->reader->Finish(&question->response, &question->status,
                             question->answered->Arm(nullptr));
  }
}

void EtcdScout::OnStatus(Question& question) {
  question.reader.reset();  // lives in memory of its context
  const etcdserverpb::ResponseHeader& header = question.response.header();
  const bool leads = question.status.ok() && question.response.leader() != 0 &&
                     question.response.leader() == header.member_id();
  // Who has lost the lead may not know it yet, and have answered before the new leader or after.
  if (leads && (!found_ || header.raft_term() > leader_term_)) {
    found_ = true;
    Know(question.endpoint, header);
  }
  if (--under_way_ == 0) {
    EndRound();
  }
}

void EtcdScout::EndRound() {
  if (!found_) {
    Know(nullptr, etcdserverpb::ResponseHeader());
  }
  last_round_ns_ = engine_.clock().MonotonicNs();
  next_round_ns_ = last_round_ns_ + pause_ms_ * kNsPerMs;
  pause_ms_ = std::min(2 * pause_ms_, kMaxPauseMs);
  base::MutexLock lock(mutex_);
  contexts_.clear();
}

void EtcdScout::Know(const EtcdEndpoint* leader, const etcdserverpb::ResponseHeader& header) {
  leader_term_ = header.raft_term();
  leader_member_id_ = header.member_id();
  if (std::exchange(leader_, leader) != leader) {
    on_leader_(leader);
  }
}

}  // namespace matricula::store
