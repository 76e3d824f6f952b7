#include <catch2/catch.hpp>

#include "bed.h"
#include "common/domain/keys.h"
#include "common/domain/records.h"
#include "common/domain/txn.h"

// Writes whose answers are lost, and what the caller is told.
namespace matricula::domain {
namespace {

using Fate = FakeStore::Fate;
using etcdserverpb::TxnRequest;

// Two servers over one store; the second one has a connection without faults.
struct TwoServers {
  FakeBed bed;
  FakeStore other_store{bed.kv, bed.scheduler};
  Server other{other_store, bed.scheduler, bed.scheduler, 4711};
  ~TwoServers() { other.transactor.Close(); }

  std::string OtherRemovesAluno(const std::string& matricula) {
    return bed.Say(
        [&](Answer done) { other.cadastro.RemoveAluno(matricula, "", std::move(done)); });
  }
};

TEST_CASE("a write whose answer was lost is settled, whatever had become of it") {
  for (const Fate fate :
       {Fate::kLostApplied, Fate::kLostDropped, Fate::kLostLate, Fate::kUnavailable}) {
    INFO(static_cast<int>(fate));
    FakeBed bed;
    bed.NovoAluno("1192", "Maycon");
    bed.NovoAluno("1193", "Joana");
    bed.NovaDisciplina("GSI010", "prolog", 2);
    bed.Matricula("GSI010", "1193");  // the class is known from now on: no reads before the write
    const int64_t before = bed.kv.revision();
    const auto faulty = [&](auto call) {
      bed.fake.NextWrite(fate);
      CHECK(call() == "");
    };
    faulty([&] { return bed.Matricula("GSI010", "1192"); });
    faulty([&] { return bed.Desmatricula("GSI010", "1193"); });
    faulty([&] { return bed.NovoAluno("1194", "Rui Melo"); });
    faulty([&] { return bed.EditaAluno("1194", "Rui M."); });
    faulty([&] { return bed.NovoProfessor("1034", "Ana Lima"); });
    faulty([&] { return bed.Docente("GSI010", "1034"); });
    faulty([&] { return bed.EditaDisciplina("GSI010", "prolog", 1); });
    faulty([&] { return bed.RemoveAluno("1194"); });
    faulty([&] { return bed.TiraDocente("GSI010", "1034"); });
    faulty([&] { return bed.RemoveDisciplina("GSI010"); });
    // Stragglers arrive, and find nothing to do.
    bed.scheduler.RunUntilIdle();
    CHECK(bed.ObtemAluno("1194").matricula() == "");
    CHECK(bed.Violations() == "");
    int changes = 0;
    for (int64_t r = before + 1; r <= bed.kv.revision(); ++r) {
      for (const auto& event : bed.kv.EventsAt(r)) changes += event.kv().key() == kMudancaKey;
    }
    CHECK(changes == 10);
  }
}

TEST_CASE("an unknown outcome in the midst of the others' writes is found in the history") {
  // The write took effect, and was overwritten before it could be settled.
  TwoServers two;
  FakeBed& bed = two.bed;
  bed.NovoAluno("1192", "Maycon");
  bed.fake.NextWrite(Fate::kLostApplied);
  std::string answer = "(none)";
  bed.server().cadastro.EditaAluno(MakeAluno("1192", "Outro"), "",
                                   [&](base::Result<project::Status> result) {
                                     answer = result.ok() ? result->msg() : "error";
                                   });
  bed.fake.CutOff(false);
  while (bed.kv.revision() < 3) bed.scheduler.Step();
  CHECK(answer == "(none)");
  bed.fake.CutOff(true);
  CHECK(two.OtherRemovesAluno("1192") == "");
  CHECK(bed.Say([&](Answer done) {
    two.other.cadastro.NovoAluno(MakeAluno("1193", "Joana"), "", std::move(done));
  }) == "");
  bed.fake.CutOff(false);
  while (answer == "(none)") REQUIRE(bed.scheduler.Step());
  CHECK(answer == "");
}

TEST_CASE("a straggler cannot bring back what was removed after it was settled") {
  TwoServers two;
  FakeBed& bed = two.bed;
  bed.NovoAluno("1191", "Primeiro");
  bed.fake.faults().late_most_us = 1'000'000;
  for (int round = 0; round < 20; ++round) {
    const std::string id = "12" + std::to_string(10 + round);
    bed.fake.NextWrite(Fate::kLostLate);
    CHECK(bed.NovoAluno(id, "Maycon") == "");
    CHECK(two.OtherRemovesAluno(id) == "");
    bed.scheduler.RunUntilIdle();
    CHECK(bed.ObtemAluno(id).matricula() == "");
  }
}

TEST_CASE("a refused write cannot take effect later") {
  TwoServers two;
  FakeBed& bed = two.bed;
  bed.NovoAluno("1191", "Primeiro");
  for (int round = 0; round < 20; ++round) {
    const std::string id = "12" + std::to_string(10 + round);
    bed.fake.NextWrite(Fate::kLostLate);
    std::string answer = "(none)";
    bed.server().cadastro.NovoAluno(MakeAluno(id, "Maycon"), "",
                                    [&](base::Result<project::Status> result) {
                                      answer = result.ok() ? result->msg() : "error";
                                    });
    CHECK(bed.Say([&](Answer done) {
      two.other.cadastro.NovoAluno(MakeAluno(id, "Joana"), "", std::move(done));
    }) == "");
    while (answer == "(none)") REQUIRE(bed.scheduler.Step());
    CHECK(two.OtherRemovesAluno(id) == "");
    bed.scheduler.RunUntilIdle();
    const bool refused = answer == "aluno já cadastrado";
    CHECK((refused || answer == ""));
    CHECK(bed.ObtemAluno(id).matricula() == "");
  }
}

TEST_CASE("only a store that stays away makes the outcome unknown") {
  FakeBed bed;
  bed.NovoAluno("1192", "Maycon");
  bed.fake.NextWrite(Fate::kLostApplied);
  std::string answer = "(none)";
  const int64_t start_ms = bed.scheduler.MonotonicMs();
  bed.server().cadastro.EditaAluno(
      MakeAluno("1192", "Outro"), "",
      [&](base::Result<project::Status> result) { answer = result.status().ToString(); });
  while (bed.kv.revision() < 3) bed.scheduler.Step();
  bed.fake.CutOff(true);
  while (answer == "(none)") REQUIRE(bed.scheduler.Step());
  CHECK(answer.find("OUTCOME_UNKNOWN: ") == 0);
  CHECK(bed.scheduler.MonotonicMs() - start_ms >= 5'000);
  CHECK(bed.scheduler.MonotonicMs() - start_ms < 6'000);
}

TEST_CASE("a store that is away for a moment is waited for, and no longer") {
  FakeBed bed;
  bed.fake.CutOff(true);
  bed.scheduler.After(2'000, [&] { bed.fake.CutOff(false); });
  CHECK(bed.NovoAluno("1192", "Maycon") == "");
  bed.fake.CutOff(true);
  CHECK(bed.NovoAluno("1193", "Maycon") == "UNAVAILABLE: no leader");
  CHECK(bed.Matricula("GSI010", "1193") == "UNAVAILABLE: no leader");
  CHECK(bed.kv.revision() == 2);
}

TEST_CASE("a history that is compacted leaves the outcome unknown") {
  TwoServers two;
  FakeBed& bed = two.bed;
  bed.NovoAluno("1192", "Maycon");
  bed.fake.NextWrite(Fate::kLostApplied);
  std::string answer = "(none)";
  bed.server().cadastro.EditaAluno(
      MakeAluno("1192", "Outro"), "",
      [&](base::Result<project::Status> result) { answer = result.status().ToString(); });
  while (bed.kv.revision() < 3) bed.scheduler.Step();
  bed.fake.CutOff(true);
  two.OtherRemovesAluno("1192");
  bed.kv.Compact(bed.kv.revision());
  bed.fake.CutOff(false);
  while (answer == "(none)") REQUIRE(bed.scheduler.Step());
  CHECK(answer.find("OUTCOME_UNKNOWN: ") == 0);
}

TEST_CASE("request ids share a lease of a day and more") {
  FakeBed bed;
  for (int i = 0; i < 50; ++i) {
    const std::string id = std::to_string(1000 + i);
    CHECK(bed.NovoAluno(id, "Maycon", "r" + id) == "");
  }
  CHECK(bed.kv.leases() == 1);
  bed.scheduler.AfterUs(PedidoLease::kUseMs * 1000, [] {});
  bed.scheduler.RunUntilIdle();
  CHECK(bed.NovoAluno("1100", "Maycon", "r1100") == "");
  CHECK(bed.kv.leases() == 2);
}

TEST_CASE("one lease serves a bounded number of ids") {
  FakeBed bed;
  PedidoLease lease(bed.fake, bed.scheduler);
  const auto get = [&](int ids) {
    return *bed.Await<int64_t>([&](base::Done<int64_t> done) { lease.Get(ids, std::move(done)); });
  };
  const int64_t first = get(PedidoLease::kMaxIds - 1);
  CHECK(get(1) == first);
  const int64_t second = get(1);
  CHECK(second != first);
  lease.Forget(first);
  CHECK(get(1) == second);
  lease.Forget(second);
  CHECK(get(1) != second);
}

TEST_CASE("all who wait for a lease get the one that is asked for, or its error") {
  FakeBed bed;
  PedidoLease lease(bed.fake, bed.scheduler);
  std::vector<std::string> answers;
  const auto ask = [&] {
    for (int i = 0; i < 3; ++i) {
      lease.Get(1, [&](base::Result<int64_t> result) {
        answers.push_back(result.ok() ? std::to_string(*result) : result.status().ToString());
      });
    }
    bed.scheduler.RunUntilIdle();
  };
  bed.fake.CutOff(true);
  ask();
  CHECK(answers == std::vector<std::string>(3, "UNAVAILABLE: no leader"));
  answers.clear();
  bed.fake.CutOff(false);
  ask();
  CHECK(answers == std::vector<std::string>(3, "701"));
}

TEST_CASE("a lease that the store has lost is replaced") {
  FakeBed bed;
  CHECK(bed.NovoAluno("1192", "Maycon", "r1") == "");
  bed.kv.ForgetLeases();
  CHECK(bed.NovoAluno("1193", "Maycon", "r2") == "");
  CHECK(bed.NovoAluno("1192", "Maycon", "r1") == "");
  bed.NovaDisciplina("GSI010", "prolog", 2);
  bed.kv.ForgetLeases();
  CHECK(bed.Matricula("GSI010", "1192", "r3") == "");
  CHECK(bed.Violations() == "");
}

TEST_CASE("an expired request id is forgotten") {
  FakeBed bed;
  CHECK(bed.NovoAluno("1192", "Maycon", "r1") == "");
  bed.kv.EndLease(701);
  CHECK(bed.RawGet("pedido/r1") == "(absent)");
  CHECK(bed.NovoAluno("1192", "Maycon", "r1") == "aluno já cadastrado");
}

TEST_CASE("a closed server answers at once and lets nobody in") {
  FakeBed bed;
  bed.NovoAluno("1192", "Maycon");
  bed.NovaDisciplina("GSI010", "prolog", 2);
  bed.server().transactor.Close();
  const std::string closed = "UNAVAILABLE: the server is shutting down";
  CHECK(bed.NovoAluno("1193", "Maycon") == closed);
  CHECK(bed.Matricula("GSI010", "1192") == closed);
  CHECK(bed.Docente("GSI010", "1192") == closed);
  CHECK(bed.RemoveAluno("1192") == closed);
  CHECK(bed.kv.revision() == 3);
}

TEST_CASE("closing ends the retries") {
  FakeBed bed;
  bed.fake.CutOff(true);
  std::string answer = "(none)";
  bed.server().cadastro.NovoAluno(
      MakeAluno("1192", "Maycon"), "",
      [&](base::Result<project::Status> result) { answer = result.status().ToString(); });
  bed.scheduler.After(300, [&] { bed.server().transactor.Close(); });
  bed.scheduler.RunUntilIdle();
  CHECK(answer == "UNAVAILABLE: no leader");
  CHECK(bed.scheduler.MonotonicMs() < 1'000);
}

TEST_CASE("every change puts mudanca, and a refusal does not") {
  FakeBed bed;
  const auto last = [&] {
    const auto* pair = bed.kv.Find(std::string(kMudancaKey), bed.kv.revision());
    return pair == nullptr ? 0 : pair->mod_revision();
  };
  bed.NovoAluno("1192", "Maycon");
  bed.NovaDisciplina("GSI010", "prolog", 1);
  CHECK(last() == bed.kv.revision());
  CHECK(bed.Matricula("GSI010", "1192") == "");
  CHECK(last() == bed.kv.revision());
  const int64_t revision = bed.kv.revision();
  bed.Matricula("GSI010", "1192");
  bed.NovoAluno("1192", "Maycon");
  bed.EditaAluno("1193", "Maycon");
  bed.RemoveAluno("1193");
  CHECK(bed.kv.revision() == revision);
  std::set<std::string> writers;
  for (int64_t r = 2; r <= revision; ++r) {
    writers.insert(*DecodeMudanca(bed.kv.Find(std::string(kMudancaKey), r)->value()));
  }
  CHECK(writers.size() == 3);
}

}  // namespace
}  // namespace matricula::domain
