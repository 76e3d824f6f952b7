#include "common/sync/mandate.h"

#include <atomic>
#include <catch2/catch.hpp>

#include "common/storage/memory_engine.h"
#include "common/store/replica_store.h"

namespace matricula::sync {
namespace {

// Time passes when the test says so; the store has a clock of its own.
class HandClock final : public base::Clock {
 public:
  int64_t MonotonicNs() const override { return now_ms_ * 1'000'000; }
  int64_t WallMs() const override { return now_ms_; }
  void Advance(int64_t ms) { now_ms_ += ms; }

 private:
  std::atomic<int64_t> now_ms_{1'000'000};
};

struct Bed {
  Bed() {
    auto opened = store::ReplicaStore::Open(storage::NewMemoryEngine(), {});
    REQUIRE(opened.ok());
    store = *std::move(opened);
  }
  HandClock clock;
  std::unique_ptr<store::ReplicaStore> store;
};

// Longer than between two tries of who does not have it.
constexpr int64_t kNextTryMs = LeaseMandate::kLeaseSeconds * 1'000;

}  // namespace

TEST_CASE("one of two servers has the mandate, and the other gets it when it is given up") {
  Bed bed;
  LeaseMandate first(*bed.store, bed.clock, "first");
  LeaseMandate second(*bed.store, bed.clock, "second");
  CHECK(first.Held());
  CHECK_FALSE(second.Held());
  bed.clock.Advance(kNextTryMs);
  CHECK(first.Held());
  CHECK_FALSE(second.Held());
  first.GiveUp();
  CHECK_FALSE(second.Held());  // it does not ask all the time
  bed.clock.Advance(kNextTryMs);
  CHECK(second.Held());
}

TEST_CASE("the replica that leads takes the mandate from whoever has it") {
  Bed bed;
  bool first_leads = false;
  bool second_leads = false;
  LeaseMandate admin(*bed.store, bed.clock, "admin");
  LeaseMandate first(*bed.store, bed.clock, "first", [&] { return first_leads; });
  LeaseMandate second(*bed.store, bed.clock, "second", [&] { return second_leads; });
  CHECK_FALSE(first.Held());
  CHECK(admin.Held());  // nobody of the replicas has a broker, as far as anybody knows
  first_leads = true;
  CHECK(first.Held());
  bed.clock.Advance(kNextTryMs);
  CHECK_FALSE(admin.Held());
  CHECK(first.Held());
  // Another one leads: at once, without waiting for the lease of the former.
  second_leads = true;
  CHECK(second.Held());
  first_leads = false;
  CHECK_FALSE(first.Held());
  bed.clock.Advance(kNextTryMs);
  CHECK(second.Held());  // what the former gave up was not its own any more
  CHECK_FALSE(admin.Held());
}

TEST_CASE("one that was taken over notices within a third of the lease") {
  Bed bed;
  LeaseMandate admin(*bed.store, bed.clock, "admin");
  LeaseMandate leader(*bed.store, bed.clock, "leader", [] { return true; });
  CHECK(admin.Held());
  CHECK(leader.Held());
  CHECK(admin.Held());
  bed.clock.Advance(LeaseMandate::kLeaseSeconds * 1'000 / 3 + 1);
  CHECK_FALSE(admin.Held());
}

}  // namespace matricula::sync
