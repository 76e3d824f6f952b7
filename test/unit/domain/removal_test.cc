#include <catch2/catch.hpp>

#include <memory>

#include "bed.h"
#include "common/domain/removal.h"

// Removals that do not fit one transaction, and those that others get in the way of.
namespace matricula::domain {
namespace {

std::string Id(const std::string& prefix, int number) {
  return prefix + std::to_string(1000 + number);
}

// A student in `count` classes, a professor who teaches them all.
void FillTurmas(Bed& bed, int count) {
  REQUIRE(bed.NovoAluno("1192", "Maycon") == "");
  REQUIRE(bed.NovoAluno("1193", "Joana") == "");
  REQUIRE(bed.NovoProfessor("1034", "Ana Lima") == "");
  for (int i = 0; i < count; ++i) {
    REQUIRE(bed.NovaDisciplina(Id("GSI", i), "prolog", 2) == "");
    REQUIRE(bed.Matricula(Id("GSI", i), "1192") == "");
    REQUIRE(bed.Docente(Id("GSI", i), "1034") == "");
  }
  REQUIRE(bed.Matricula(Id("GSI", 0), "1193") == "");
}

// A class of `count` students.
void FillRoster(Bed& bed, int count) {
  REQUIRE(bed.NovoProfessor("1034", "Ana Lima") == "");
  REQUIRE(bed.NovaDisciplina("GSI010", "prolog", count) == "");
  REQUIRE(bed.Docente("GSI010", "1034") == "");
  for (int i = 0; i < count; ++i) {
    REQUIRE(bed.NovoAluno(Id("a", i), "Maycon") == "");
    REQUIRE(bed.Matricula("GSI010", Id("a", i)) == "");
  }
}

// Counts the markers that a removal has put so far.
int Markers(const FakeKv& kv) {
  int markers = 0;
  for (int64_t r = 2; r <= kv.revision(); ++r) {
    for (const auto& event : kv.EventsAt(r)) {
      markers += event.type() == mvccpb::Event::PUT && event.kv().key().starts_with("remocao/");
    }
  }
  return markers;
}

TEST_CASE("a removal that fits is one transaction") {
  FakeBed bed;
  FillTurmas(bed, kMaxWholeTurmas);
  const int64_t before = bed.kv.revision();
  CHECK(bed.RemoveAluno("1192") == "");
  CHECK(bed.RemoveProfessor("1034") == "");
  CHECK(bed.kv.revision() == before + 2);
  CHECK(bed.Violations() == "");
}

TEST_CASE("a class that fits is removed in one transaction") {
  FakeBed bed;
  FillRoster(bed, kMaxWholeRoster);
  const int64_t before = bed.kv.revision();
  CHECK(bed.RemoveDisciplina("GSI010", "r1") == "");
  CHECK(bed.kv.revision() == before + 1);
  CHECK(bed.Violations() == "");
}

TEST_CASE("a removal that does not fit goes in steps and leaves nothing") {
  FakeBed bed;
  FillTurmas(bed, kMaxWholeTurmas + 1);
  CHECK(bed.RemoveAluno("1192", "r1") == "");
  CHECK(Markers(bed.kv) == 1);
  CHECK(bed.RemoveAluno("1192", "r1") == "");
  CHECK(bed.RemoveAluno("1192") == "aluno não encontrado");
  CHECK(bed.RemoveProfessor("1034") == "");
  CHECK(Markers(bed.kv) == 2);
  const auto report = bed.CheckAll();
  CHECK(report.ok());
  CHECK(report.pending_removals == 0);
  CHECK(report.matriculas == 1);
}

TEST_CASE("a class of hundreds is removed in steps and leaves nothing") {
  FakeBed bed;
  FillRoster(bed, 2 * kMaxWholeRoster + 30);
  CHECK(bed.RemoveDisciplina("GSI010") == "");
  CHECK(Markers(bed.kv) == 1);
  const auto report = bed.CheckAll();
  CHECK(report.ok());
  CHECK(report.pending_removals == 0);
  CHECK(report.matriculas == 0);
  CHECK(bed.RawGet("professor-turma/1034/GSI010") == "(absent)");
  CHECK(bed.NovaDisciplina("GSI010", "prolog", 1) == "");
  CHECK(bed.Matricula("GSI010", "a1000") == "");
}

// A second server, whose removal is cut short by its death after some writes.
class Victim {
 public:
  explicit Victim(FakeBed& bed) : bed_(bed), host_(new Host(bed)) {}

  // Runs `start` until it has made `writes` writes, then kills the server.
  template <class Start>
  void DieAfter(int writes, Start start) {
    start(host_->server, [](base::Result<project::Status>) { FAIL("a dead server has answered"); });
    while (host_->store.txns() <= writes) REQUIRE(bed_.scheduler.Step());
    host_->store.Kill();
    bed_.scheduler.RunUntilIdle();
  }

 private:
  struct Host {
    explicit Host(FakeBed& bed)
        : store(bed.kv, bed.scheduler), server(store, bed.scheduler, bed.scheduler, 666) {}
    FakeStore store;
    Server server;
  };

  FakeBed& bed_;
  Host* const host_;  // its coroutines wait for ever, so it is never destroyed
};

TEST_CASE("what a dead server has left half removed is shown nowhere, and any server ends it") {
  for (int writes = 1; writes < 12; ++writes) {
    INFO(writes);
    FakeBed bed;
    FillTurmas(bed, kMaxWholeTurmas + 5);
    Victim victim(bed);
    victim.DieAfter(writes, [](Server& server, Answer done) {
      server.cadastro.RemoveAluno("1192", "r1", std::move(done));
    });
    const auto halfway = bed.CheckAll();
    CHECK(halfway.ok());
    REQUIRE(halfway.pending_removals == 1);
    CHECK(halfway.matriculas > 1);
    CHECK(bed.ObtemAluno("1192").matricula() == "");
    CHECK(bed.DisciplinasDoAluno("1192").empty());
    for (int i = 0; i < kMaxWholeTurmas + 5; i += 8) {
      CHECK(bed.Detalha(Id("GSI", i)).alunos_size() == (i == 0 ? 1 : 0));
    }
    const auto resumos = bed.DisciplinasDoAluno("1193");
    REQUIRE(resumos.size() == 1);
    CHECK(resumos[0].totalalunos() == 1);
    CHECK(bed.Matricula("GSI1001", "1192") == "aluno não encontrado");
    CHECK(bed.Desmatricula("GSI1001", "1192") == "aluno não encontrado");
    if (writes % 3 == 0) {
      CHECK(*bed.Await<int>([&](base::Done<int> done) {
        bed.server().cadastro.ResumeRemovals(std::move(done));
      }) == 1);
    } else if (writes % 3 == 1) {
      CHECK(bed.NovoAluno("1192", "Maycon") == "");
      CHECK(bed.DisciplinasDoAluno("1192").empty());
      CHECK(bed.RemoveAluno("1192") == "");
    } else {
      CHECK(bed.RemoveAluno("1192", "r1") == "");
    }
    const auto report = bed.CheckAll();
    CHECK(report.ok());
    CHECK(report.pending_removals == 0);
    CHECK(report.matriculas == 1);
  }
}

TEST_CASE("a professor who is half removed teaches nothing") {
  FakeBed bed;
  FillTurmas(bed, kMaxWholeTurmas + 5);
  REQUIRE(bed.NovoProfessor("1035", "Rui Melo") == "");
  Victim victim(bed);
  victim.DieAfter(4, [](Server& server, Answer done) {
    server.cadastro.RemoveProfessor("1034", "", std::move(done));
  });
  const std::string last = Id("GSI", kMaxWholeTurmas + 4);
  CHECK(bed.Violations() == "");
  CHECK_FALSE(bed.Detalha(last).has_professor());
  CHECK_FALSE(bed.DisciplinasDoAluno("1192")[0].has_professor());
  CHECK(bed.DisciplinasDoProfessor("1034").empty());
  CHECK(bed.TiraDocente(last, "1034") == "professor não encontrado");
  // The class is free, and is made so.
  CHECK(bed.Docente(last, "1035") == "");
  const auto report = bed.CheckAll();
  CHECK(report.ok());
  CHECK(report.pending_removals == 0);
}

TEST_CASE("a discipline that is half removed is gone, and comes back empty") {
  for (int writes = 1; writes < 5; ++writes) {
    INFO(writes);
    FakeBed bed;
    FillRoster(bed, 2 * kMaxWholeRoster + 30);
    REQUIRE(bed.NovaDisciplina("GSI011", "lisp", 5) == "");
    REQUIRE(bed.Matricula("GSI011", "a1200") == "");
    Victim victim(bed);
    victim.DieAfter(writes, [](Server& server, Answer done) {
      server.cadastro.RemoveDisciplina("GSI010", "", std::move(done));
    });
    CHECK(bed.Violations() == "");
    CHECK(bed.ObtemDisciplina("GSI010").sigla() == "");
    CHECK(bed.Detalha("GSI010").disciplina().sigla() == "");
    CHECK(bed.DisciplinasDoAluno("a1200").size() == 1);
    CHECK(bed.DisciplinasDoProfessor("1034").empty());
    CHECK(bed.Matricula("GSI010", "a1200") == "disciplina não encontrada");
    CHECK(bed.Desmatricula("GSI010", "a1200") == "disciplina não encontrada");
    CHECK(bed.Docente("GSI010", "1034") == "disciplina não encontrada");
    CHECK(bed.EditaDisciplina("GSI010", "prolog", 500) == "disciplina não encontrada");
    // A student of that roster may be removed meanwhile.
    CHECK(bed.RemoveAluno("a1200") == "");
    CHECK(bed.RemoveAluno("a1001") == "");
    CHECK(bed.RemoveProfessor("1034") == "");
    CHECK(bed.Violations() == "");
    CHECK(bed.NovaDisciplina("GSI010", "prolog", 3) == "");
    CHECK(bed.Detalha("GSI010").alunos_size() == 0);
    CHECK(bed.Matricula("GSI010", "a1002") == "");
    const auto report = bed.CheckAll();
    CHECK(report.ok());
    CHECK(report.pending_removals == 0);
    CHECK(report.matriculas == 1);
  }
}

TEST_CASE("many servers end the same removal at once") {
  FakeBed bed;
  FillTurmas(bed, kMaxWholeTurmas + 5);
  Victim victim(bed);
  victim.DieAfter(3, [](Server& server, Answer done) {
    server.cadastro.RemoveAluno("1192", "", std::move(done));
  });
  FakeStore other_store(bed.kv, bed.scheduler);
  Server other(other_store, bed.scheduler, bed.scheduler, 4711);
  int answers = 0;
  for (Server* server : {&bed.server(), &other}) {
    for (int i = 0; i < 3; ++i) {
      server->cadastro.ResumeRemovals([&](base::Result<int> result) {
        CHECK(result.ok());
        ++answers;
      });
    }
  }
  bed.scheduler.RunUntilIdle();
  CHECK(answers == 6);
  const auto report = bed.CheckAll();
  CHECK(report.ok());
  CHECK(report.pending_removals == 0);
}

TEST_CASE("removals that a start cannot resume without the store are resumed when it is back") {
  FakeBed bed;
  FillTurmas(bed, kMaxWholeTurmas + 5);
  Victim victim(bed);
  victim.DieAfter(3, [](Server& server, Answer done) {
    server.cadastro.RemoveAluno("1192", "", std::move(done));
  });
  REQUIRE(Markers(bed.kv) == 1);
  bed.fake.CutOff(true);
  std::string answer = "(none)";
  bed.server().cadastro.ResumeRemovals(
      [&](base::Result<int> result) { answer = result.status().ToString(); });
  while (answer == "(none)") REQUIRE(bed.scheduler.Step());
  CHECK(answer.find("UNAVAILABLE") == 0);
  bed.scheduler.After(10 * 60'000, [&] { bed.fake.CutOff(false); });
  const int reads_before = bed.fake.reads();
  bed.scheduler.RunUntilIdle();
  const auto report = bed.CheckAll();
  CHECK(report.ok());
  CHECK(report.pending_removals == 0);
  // Patiently: a handful of reads a minute, not more.
  CHECK(bed.fake.reads() - reads_before < 6'000);
}

TEST_CASE("a removal whose store goes away is ended in the background") {
  FakeBed bed;
  FillTurmas(bed, kMaxWholeTurmas + 5);
  std::string answer = "(none)";
  bed.server().cadastro.RemoveAluno("1192", "", [&](base::Result<project::Status> result) {
    answer = result.status().ToString();
  });
  while (Markers(bed.kv) == 0) REQUIRE(bed.scheduler.Step());
  bed.fake.CutOff(true);
  while (answer == "(none)") REQUIRE(bed.scheduler.Step());
  CHECK(answer.find("OUTCOME_UNKNOWN: the record is gone, the rest will follow") == 0);
  bed.scheduler.After(20'000, [&] { bed.fake.CutOff(false); });
  bed.scheduler.RunUntilIdle();
  const auto report = bed.CheckAll();
  CHECK(report.ok());
  CHECK(report.pending_removals == 0);
  CHECK(report.matriculas == 1);
}

}  // namespace
}  // namespace matricula::domain
