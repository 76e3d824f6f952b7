#pragma once

#include <atomic>
#include <random>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "test/integration/chaos/history.h"
#include "test/integration/chaos/members.h"

namespace matricula::chaos {

// Watches all keys of the traffic from one revision on, over as many streams as it takes: each
// one goes on after the last revision that the one before has told of.
class Watcher {
 public:
  // `pinned_to`: watches this member alone; -1: now this one, now that one.
  Watcher(int number, int pinned_to, const std::vector<std::string>& members,
          const base::Clock& clock);

  // Watches until Stop; `changes` begins anew.
  void Run(int64_t from_revision);
  void Stop() EXCLUDES(mutex_);
  // The newest revision that it was told of.
  int64_t last_revision() const { return last_revision_; }

  // When nobody runs it:
  const std::vector<Change>& changes() const { return changes_; }
  const std::vector<Sighting>& sightings() const { return sightings_; }
  int streams() const { return streams_; }
  const std::string& refusal() const { return refusal_; }  // empty: none

 private:
  static constexpr int64_t kLongestStreamMs = 15'000;

  void WatchOnce();
  void Take(const etcdserverpb::WatchResponse& response);

  const int pinned_to_;
  const base::Clock& clock_;
  const std::vector<Stubs> members_;
  std::mt19937_64 random_;
  std::atomic<int64_t> last_revision_{0};
  std::vector<Change> changes_;
  std::vector<Sighting> sightings_;
  int streams_ = 0;
  std::string refusal_;

  base::Mutex mutex_;
  grpc::ClientContext* context_ GUARDED_BY(mutex_) = nullptr;  // of the stream there is
  bool stop_ GUARDED_BY(mutex_) = false;
};

}  // namespace matricula::chaos
