#include "common/sync/read_barrier.h"

#include <catch2/catch.hpp>
#include <deque>
#include <utility>

namespace matricula::sync {
namespace {

using base::Result;
using etcdserverpb::RangeResponse;

// Keeps questions until the test answers them.
class SlowStore final : public store::Store {
 public:
  void Range(const etcdserverpb::RangeRequest& request, base::Done<RangeResponse> done) override {
    CHECK(request.key() == "mudanca");
    CHECK_FALSE(request.serializable());
    questions.push_back(std::move(done));
  }
  void Txn(etcdserverpb::TxnRequest, base::Done<etcdserverpb::TxnResponse>) override {}
  std::unique_ptr<store::Watch> OpenWatch(const etcdserverpb::WatchCreateRequest&,
                                          store::WatchSink*) override {
    return nullptr;
  }
  void LeaseGrant(const etcdserverpb::LeaseGrantRequest&,
                  base::Done<etcdserverpb::LeaseGrantResponse>) override {}
  void LeaseKeepAlive(int64_t, base::Done<etcdserverpb::LeaseKeepAliveResponse>) override {}

  void AnswerOldest() {
    auto done = std::move(questions.front());
    questions.pop_front();
    std::move(done)(RangeResponse());
  }
  std::deque<base::Done<RangeResponse>> questions;
};

// Time passes when the test says so.
class HandTimer final : public domain::Timer {
 public:
  void After(int64_t, Call call) override { calls.push_back(std::move(call)); }
  void PassTime() {
    auto due = std::exchange(calls, {});
    for (Call& call : due) std::move(call)();
  }
  std::vector<Call> calls;
};

struct Bed {
  void Read(size_t count = 1) {
    for (size_t i = 0; i < count; ++i) {
      PendingRead read;
      read.key = "aluno/" + std::to_string(next_++);
      read.done = [this](Result<RangeResponse> answer) { failed += answer.ok() ? 0 : 1; };
      barrier->Add(std::move(read));
    }
  }

  SlowStore store;
  HandTimer timer;
  std::vector<size_t> answered;  // reads of each question
  size_t failed = 0;
  std::shared_ptr<ReadBarrier> barrier = std::make_shared<ReadBarrier>(
      store, timer, [this](std::vector<PendingRead>& reads, const Result<RangeResponse>&) {
        answered.push_back(reads.size());
      });

 private:
  int next_ = 0;
};

}  // namespace

TEST_CASE("a read that comes while a question is under way is not answered by it") {
  Bed bed;
  bed.Read();
  REQUIRE(bed.store.questions.size() == 1);
  bed.Read(3);
  CHECK(bed.store.questions.size() == 1);
  bed.store.AnswerOldest();
  CHECK(bed.answered == std::vector<size_t>{1});
  REQUIRE(bed.store.questions.size() == 1);  // the one for the three, without waiting for a fourth
  bed.store.AnswerOldest();
  CHECK(bed.answered == std::vector<size_t>{1, 3});
}

TEST_CASE("who is alone never waits for others") {
  Bed bed;
  for (int i = 0; i < 10; ++i) {
    bed.Read();
    REQUIRE(bed.store.questions.size() == 1);
    bed.store.AnswerOldest();
  }
  CHECK(bed.timer.calls.empty());
}

TEST_CASE("a crowd gathers before the next question, but not longer than a moment") {
  Bed bed;
  bed.Read(1);
  bed.Read(39);
  bed.store.AnswerOldest();  // forty were here: thirty-nine have their question now
  REQUIRE(bed.store.questions.size() == 1);
  bed.store.AnswerOldest();
  bed.Read(28);
  CHECK(bed.store.questions.empty());
  bed.Read(1);  // three quarters
  CHECK(bed.store.questions.size() == 1);
  bed.store.AnswerOldest();
  bed.Read(5);
  CHECK(bed.store.questions.empty());
  bed.timer.PassTime();
  REQUIRE(bed.store.questions.size() == 1);
  bed.store.AnswerOldest();
  CHECK(bed.answered == std::vector<size_t>{1, 39, 29, 5});
  bed.Read(3);
  CHECK(bed.store.questions.size() == 1);  // the crowd is small now
}

TEST_CASE("too many reads are refused, and a closed barrier keeps nobody") {
  Bed bed;
  bed.Read(1 + ReadBarrier::kMaxReads);
  CHECK(bed.failed == 0);
  bed.Read();
  CHECK(bed.failed == 1);
  bed.store.AnswerOldest();
  bed.store.AnswerOldest();
  bed.Read(1);
  CHECK(bed.store.questions.empty());
  bed.barrier->Close();
  CHECK(bed.store.questions.size() == 1);
}

}  // namespace matricula::sync
