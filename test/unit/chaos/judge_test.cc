// The judge of the integration runs must notice what it is there for: each history here is true but
// for one thing.
#include "test/integration/chaos/judge.h"

#include <catch2/catch.hpp>

namespace matricula::chaos {
namespace {

constexpr char kKey[] = "chaos/r0";
constexpr char kOther[] = "chaos/r1";

Operation Put(const std::string& id, int64_t start_ns, int64_t end_ns, int64_t revision) {
  Operation operation;
  operation.start_ns = start_ns;
  operation.end_ns = end_ns;
  operation.id = id;
  operation.writes = {{kKey, id}};
  operation.answered = operation.succeeded = true;
  operation.revision = revision;
  return operation;
}

Operation Get(const Value& value, int64_t mod_revision, int64_t start_ns, int64_t end_ns,
              int64_t revision) {
  Operation operation;
  operation.start_ns = start_ns;
  operation.end_ns = end_ns;
  operation.answered = true;
  operation.revision = revision;
  operation.reads = {{kKey, value, mod_revision}};
  return operation;
}

Operation Unanswered(Operation operation) {
  operation.answered = operation.succeeded = false;
  operation.revision = 0;
  return operation;
}

Operation Txn(const std::string& id, const Value& expected, int64_t start_ns, int64_t end_ns,
              int64_t revision) {
  Operation operation = Put(id, start_ns, end_ns, revision);
  operation.conditions = {{kKey, expected}};
  operation.writes.push_back({kOther, id});
  return operation;
}

// a is written at 11, b at 12; then both keys in one transaction at 13.
Round TrueRound() {
  Round round;
  round.first_revision = 10;
  round.before = {{kKey, {kKey, "old", 7}}};
  round.last_revision = 13;
  round.changes = {{11, kKey, "a"}, {12, kKey, "b"}, {13, kKey, "c"}, {13, kOther, "c"}};
  round.operations = {Get("old", 7, 0, 5, 10),   Put("a", 10, 20, 11),
                      Put("b", 15, 40, 12),      Get("a", 11, 21, 39, 11),
                      Txn("c", "b", 50, 60, 13), Get("c", 13, 70, 80, 13)};
  return round;
}

// The only finding contains this.
void CheckBlamed(const Round& round, const std::string& text) {
  const std::vector<std::string> findings = Judge(round).Findings();
  REQUIRE(findings.size() == 1);
  CAPTURE(findings.front());
  CHECK(findings.front().find(text) != std::string::npos);
}

}  // namespace

TEST_CASE("a true history is found true") {
  const Round round = TrueRound();
  Judge judge(round);
  CHECK(judge.Findings() == std::vector<std::string>{});
  CHECK(judge.after().at(kKey) == Pair{kKey, "c", 13});
  CHECK(judge.after().at(kOther) == Pair{kOther, "c", 13});
}

TEST_CASE("a read of an older revision than one acknowledged before is stale") {
  Round round = TrueRound();
  round.operations.push_back(Get("a", 11, 41, 45, 11));
  CheckBlamed(round, "stale: revision 12 was known before");
}

TEST_CASE("a read older than what another read has shown is stale") {
  Round round = TrueRound();
  round.operations.push_back(Get("a", 11, 22, 23, 11));
  round.operations.push_back(Get("old", 7, 24, 25, 10));
  CheckBlamed(round, "stale: revision 11");
}

TEST_CASE("a read older than what a watch has told is stale") {
  Round round = TrueRound();
  round.operations.erase(round.operations.begin() + 3);
  round.operations[2].end_ns = 49;  // nobody has an answer yet
  round.sightings = {{42, 12}};
  round.operations.push_back(Get("a", 11, 43, 45, 11));
  CheckBlamed(round, "stale: revision 12");
}

TEST_CASE("a serializable read may be old, but not false") {
  Round round = TrueRound();
  Operation old = Get("a", 11, 90, 95, 11);
  old.serializable = true;
  round.operations.push_back(old);
  CHECK(Judge(round).Findings().empty());
  round.operations.back().reads = {{kKey, "b", 12}};
  CheckBlamed(round, "was not so at that revision");
}

TEST_CASE("an acknowledged write that the history lacks is lost") {
  Round round = TrueRound();
  Operation lost = Put("z", 61, 65, 13);
  round.operations.push_back(lost);
  CheckBlamed(round, "lost");
}

TEST_CASE("a write without an answer may be in the history or not, but not too early") {
  Round round = TrueRound();
  round.operations[1] = Unanswered(round.operations[1]);
  round.operations.push_back(Unanswered(Put("never", 1, 2, 0)));
  CHECK(Judge(round).Findings().empty());
  round.operations[1].start_ns = 30;
  round.operations[3] = Get("a", 11, 21, 28, 11);
  CheckBlamed(round, "written at 11, but 11 was known before");
}

TEST_CASE("a write that is done twice is noticed") {
  Round round = TrueRound();
  round.operations[1] = Unanswered(round.operations[1]);
  round.changes.push_back({14, kKey, "a"});
  round.last_revision = 14;
  CheckBlamed(round, "done more than once");
}

TEST_CASE("a transaction against its condition is noticed") {
  Round round = TrueRound();
  round.operations[4].conditions = {{kKey, "a"}};
  CheckBlamed(round, "against its conditions");
}

TEST_CASE("a transaction of which only half is done is noticed") {
  Round round = TrueRound();
  round.changes.pop_back();
  CheckBlamed(round, "not written as asked");
}

TEST_CASE("a transaction refused must have had a reason, and no effect") {
  Round round = TrueRound();
  Operation refused = Txn("d", "b", 61, 69, 13);
  refused.succeeded = false;
  refused.reads = {{kKey, "c", 13}};
  round.operations.push_back(refused);
  CHECK(Judge(round).Findings().empty());
  round.operations.back().conditions = {{kKey, "c"}};
  CheckBlamed(round, "refused without a reason");
}

TEST_CASE("a delete is explained by what there was") {
  Round round = TrueRound();
  round.operations[4].writes = {{kKey, std::nullopt}, {kOther, "c"}};
  round.changes[2].value = std::nullopt;
  round.operations[5] = Get(std::nullopt, 0, 70, 80, 13);
  Judge judge(round);
  CHECK(judge.Findings() == std::vector<std::string>{});
  CHECK(judge.after().count(kKey) == 0);
}

TEST_CASE("a value that nobody wrote is noticed") {
  Round round = TrueRound();
  round.changes.push_back({14, kOther, "ghost"});
  round.last_revision = 14;
  CheckBlamed(round, "nobody has ever written ghost");
}

TEST_CASE("a watch must tell every change once and in order") {
  const std::vector<Change> history = TrueRound().changes;
  CHECK(CompareChanges(history, history).empty());
  std::vector<Change> told = history;
  told.erase(told.begin() + 1);
  CHECK(CompareChanges(told, history).find("change 1") == 0);
  told = history;
  told.insert(told.begin() + 1, history[0]);
  CHECK(CompareChanges(told, history).find("change 1") == 0);
  told = history;
  told.pop_back();
  CHECK(CompareChanges(told, history).find("told nothing") != std::string::npos);
}

}  // namespace matricula::chaos
