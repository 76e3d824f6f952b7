#include "common/replication/waiters.h"

#include <catch2/catch.hpp>

#include <map>

namespace matricula::replication {
namespace {

using base::Code;
using raft::Term;

struct Told {
  std::map<uint64_t, Code> codes;
  Waiters::Done For(uint64_t number) {
    return [this, number](base::Result<std::any> result) {
      REQUIRE_FALSE(codes.contains(number));
      codes[number] = result.status().code();
    };
  }
};

TEST_CASE("waiters: done, lost, unknown") {
  Told told;
  Waiters waiters;
  waiters.Add(1, Term(2), 100, told.For(1));
  waiters.Add(2, Term(2), 100, told.For(2));
  waiters.Add(3, Term(3), 200, told.For(3));
  CHECK(waiters.Has(1));
  waiters.OnCommittedTerm(Term(2));
  CHECK(told.codes.empty());
  waiters.Complete(1, std::string("answer"));
  waiters.Complete(1, std::string("again"));
  CHECK(told.codes.at(1) == Code::kOk);
  waiters.OnCommittedTerm(Term(3));
  CHECK(told.codes.at(2) == Code::kUnavailable);
  CHECK(waiters.size() == 1);
  waiters.OnTick(199);
  CHECK(waiters.size() == 1);
  waiters.OnTick(200);
  CHECK(told.codes.at(3) == Code::kOutcomeUnknown);
}

TEST_CASE("waiters: a snapshot makes its term and earlier ones unknown, never lost") {
  Told told;
  Waiters waiters;
  waiters.Add(1, Term(2), 100, told.For(1));
  waiters.Add(2, Term(3), 100, told.For(2));
  waiters.Add(3, Term(4), 100, told.For(3));
  waiters.OnSnapshot(Term(3));
  CHECK(told.codes.at(1) == Code::kOutcomeUnknown);
  CHECK(told.codes.at(2) == Code::kOutcomeUnknown);
  CHECK(waiters.Has(3));
}

TEST_CASE("waiters: a refused forward ends its own range alone") {
  Told told;
  Waiters waiters;
  for (uint64_t number = 1; number <= 6; ++number) {
    waiters.Add(number, Term(1), 100, told.For(number));
  }
  waiters.AddForwarded(10, 1, 2);
  waiters.AddForwarded(11, 3, 2);
  waiters.AddForwarded(12, 5, 2);
  waiters.OnForwardAnswer(99, false);
  waiters.OnForwardAnswer(10, true);
  CHECK(told.codes.empty());
  waiters.Complete(3, {});
  waiters.OnForwardAnswer(11, false);
  CHECK(told.codes.size() == 2);
  CHECK(told.codes.at(4) == Code::kUnavailable);
  waiters.OnTick(100);
  waiters.OnForwardAnswer(12, false);  // nobody is there any more
  CHECK(told.codes.at(6) == Code::kOutcomeUnknown);
}

}  // namespace
}  // namespace matricula::replication
