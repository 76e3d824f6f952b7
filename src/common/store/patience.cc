#include "common/store/patience.h"

#include <algorithm>
#include <utility>

namespace matricula::store {

using base::MutexLock;

void Patience::Wait(int64_t deadline_ns, Call again, Call give_up) {
  {
    const MutexLock lock(mutex_);
    if (!closed_ && waiting_.size() < kMaxWaiting && clock_.MonotonicNs() < deadline_ns) {
      waiting_.push_back({deadline_ns, std::move(again), std::move(give_up)});
      return;
    }
  }
  std::move(give_up)();
}

void Patience::Retry(bool leader_known) {
  std::vector<Waiting> ready;
  const int64_t now_ns = clock_.MonotonicNs();
  {
    const MutexLock lock(mutex_);
    const auto stays = [&](const Waiting& call) {
      return !leader_known && now_ns < call.deadline_ns;
    };
    const auto first = std::stable_partition(waiting_.begin(), waiting_.end(), stays);
    ready.assign(std::make_move_iterator(first), std::make_move_iterator(waiting_.end()));
    waiting_.erase(first, waiting_.end());
  }
  for (Waiting& call : ready) {
    now_ns < call.deadline_ns ? std::move(call.again)() : std::move(call.give_up)();
  }
}

void Patience::Close() {
  std::vector<Waiting> all;
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    all.swap(waiting_);
  }
  for (Waiting& call : all) std::move(call.give_up)();
}

bool Patience::empty() const {
  const MutexLock lock(mutex_);
  return waiting_.empty();
}

}  // namespace matricula::store
