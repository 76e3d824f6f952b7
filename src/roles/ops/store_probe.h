#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/store/store.h"

namespace matricula::roles {

// Whether a store elsewhere answers: a tiny linearizable read every now and then, one at a time.
class StoreProbe {
 public:
  // Longer than an election takes.
  static constexpr int64_t kPatienceMs = 4'000;

  // `store` must outlive all answers.
  StoreProbe(store::Store& store, const base::Clock& clock);

  // Asks, unless an answer is still missing.
  void Ask();
  // Waits for the first answer, for `patience_ms` at most.
  void Await(int64_t patience_ms);
  // "": it has answered lately.
  std::string Objection() const;

 private:
  struct State {
    std::atomic<bool> asking{false};
    std::atomic<int64_t> answered_ns{INT64_MIN / 2};
  };

  store::Store& store_;
  const base::Clock& clock_;
  const std::shared_ptr<State> state_;
};

}  // namespace matricula::roles
