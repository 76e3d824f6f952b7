#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "bed.h"

namespace matricula::domain {
namespace {

// Requests that arrive at the same moment, and their answers in that order.
class Burst {
 public:
  explicit Burst(FakeBed& bed) : bed_(bed) {}

  void Add(std::string sigla, std::string aluno, std::string request_id = "") {
    bed_.server().turmas.AdicionaAluno(Par(sigla, aluno), request_id, Next());
  }
  void Drop(std::string sigla, std::string aluno, std::string request_id = "") {
    bed_.server().turmas.RemoveAluno(Par(sigla, aluno), request_id, Next());
  }
  const std::vector<std::string>& Wait() {
    bed_.scheduler.RunUntilIdle();
    return answers_;
  }

 private:
  Answer Next() {
    const size_t index = answers_.size();
    answers_.push_back("(none)");
    return [this, index](base::Result<project::Status> result) {
      CHECK(answers_[index] == "(none)");
      answers_[index] = result.ok() ? result->msg() : result.status().ToString();
    };
  }

  FakeBed& bed_;
  std::vector<std::string> answers_;
};

using Answers = std::vector<std::string>;
const std::string kFull = "não há vagas na disciplina";

std::string Aluno(int number) { return "alu" + std::to_string(1000 + number); }

// A class and students, all known to the server.
void Fill(FakeBed& bed, int vagas, int alunos) {
  REQUIRE(bed.NovaDisciplina("GSI010", "prolog", vagas) == "");
  for (int i = 0; i < alunos; ++i) REQUIRE(bed.NovoAluno(Aluno(i), "Maycon") == "");
  REQUIRE(bed.Matricula("GSI010", Aluno(0)) == "");
  REQUIRE(bed.Desmatricula("GSI010", Aluno(0)) == "");
}

TEST_CASE("whoever waits for a class shares few transactions") {
  FakeBed bed;
  Fill(bed, 200, 121);
  const int txns = bed.fake.txns();
  const int reads = bed.fake.reads();
  Burst burst(bed);
  for (int i = 0; i < 121; ++i) burst.Add("GSI010", Aluno(i));
  CHECK(burst.Wait() == Answers(121, ""));
  // The first one goes alone, at once; the others have to wait for it, and fit into two batches.
  CHECK(bed.fake.txns() - txns == 3);
  CHECK(bed.fake.reads() == reads);
  CHECK(bed.Violations() == "");
}

TEST_CASE("seats go in the order of arrival") {
  FakeBed bed;
  Fill(bed, 3, 6);
  Burst burst(bed);
  for (int i = 0; i < 6; ++i) burst.Add("GSI010", Aluno(i));
  CHECK(burst.Wait() == Answers{"", "", "", kFull, kFull, kFull});
}

TEST_CASE("who drops makes room for those after him, not for those before") {
  FakeBed bed;
  Fill(bed, 1, 4);
  REQUIRE(bed.Matricula("GSI010", Aluno(0)) == "");
  Burst burst(bed);
  burst.Add("GSI010", Aluno(9));  // goes alone, and keeps the others waiting
  burst.Add("GSI010", Aluno(1));
  burst.Drop("GSI010", Aluno(0));
  burst.Add("GSI010", Aluno(2));
  burst.Add("GSI010", Aluno(3));
  CHECK(burst.Wait() == Answers{"aluno não encontrado", kFull, "", "", kFull});
}

TEST_CASE("requests of one student are judged one after the other") {
  FakeBed bed;
  Fill(bed, 2, 2);
  Burst burst(bed);
  burst.Add("GSI010", Aluno(1));
  burst.Add("GSI010", Aluno(0));
  burst.Add("GSI010", Aluno(0));
  burst.Drop("GSI010", Aluno(0));
  burst.Drop("GSI010", Aluno(0));
  burst.Add("GSI010", Aluno(0));
  CHECK(burst.Wait() == Answers{"", "", "aluno já matriculado na disciplina", "",
                                "aluno não está matriculado na disciplina", ""});
  CHECK(bed.Violations() == "");
}

TEST_CASE("the same request id twice at once is one request") {
  FakeBed bed;
  Fill(bed, 5, 3);
  Burst burst(bed);
  burst.Add("GSI010", Aluno(2));
  burst.Add("GSI010", Aluno(0), "r1");
  burst.Add("GSI010", Aluno(0), "r1");
  burst.Add("GSI010", Aluno(1), "r1");
  CHECK(burst.Wait() == Answers{"", "", "", "identificador de pedido já usado em outra operação"});
  CHECK(bed.Detalha("GSI010").alunos_size() == 2);
}

TEST_CASE("a full class is looked at once for all who wait, and not written to") {
  FakeBed bed;
  Fill(bed, 1, 50);
  REQUIRE(bed.Matricula("GSI010", Aluno(0)) == "");
  const int txns = bed.fake.txns();
  const int reads = bed.fake.reads();
  Burst burst(bed);
  for (int i = 1; i < 50; ++i) burst.Add("GSI010", Aluno(i));
  CHECK(burst.Wait() == Answers(49, kFull));
  CHECK(bed.fake.txns() == txns);
  CHECK(bed.fake.reads() - reads == 2);
}

TEST_CASE("nobody is refused for the sake of one who does not get his seat either") {
  // The last seat was about to go to a student who was removed just then.
  FakeBed bed;
  Fill(bed, 1, 3);
  FakeStore other_store(bed.kv, bed.scheduler);
  Server other(other_store, bed.scheduler, bed.scheduler, 4711);
  other_store.faults().most_us = other_store.faults().least_us = 1;
  bed.fake.faults().least_us = bed.fake.faults().most_us = 1'000;
  Burst burst(bed);
  burst.Add("GSI010", Aluno(9));  // keeps the others waiting
  burst.Add("GSI010", Aluno(0));
  burst.Add("GSI010", Aluno(1));
  // Looked at after 2 ms and more, written at 5 ms.
  bed.scheduler.AfterUs(4'500, [&] {
    other.cadastro.RemoveAluno(
        Aluno(0), "", [](base::Result<project::Status> result) { CHECK(result->msg() == ""); });
  });
  CHECK(burst.Wait() == Answers{"aluno não encontrado", "aluno não encontrado", ""});
  CHECK(bed.Violations() == "");
}

TEST_CASE("the queues are bounded, each and all together") {
  FakeBed bed;
  Fill(bed, 100, 30);
  REQUIRE(bed.NovaDisciplina("GSI011", "lisp", 100) == "");
  Server server(bed.fake, bed.scheduler, bed.scheduler, 4711,
                {.waiting_per_turma = 5, .waiting_in_all = 8, .idle_turmas = 10});
  std::vector<std::string> answers(30, "(none)");
  for (size_t i = 0; i < 30; ++i) {
    server.turmas.AdicionaAluno(Par(i < 10 ? "GSI010" : "GSI011", Aluno(static_cast<int>(i))), "",
                                [&answers, i](base::Result<project::Status> result) {
                                  answers[i] = result.status().ToString();
                                });
  }
  CHECK(server.turmas.Stats().waiting == 8);
  bed.scheduler.RunUntilIdle();
  CHECK(server.turmas.Stats().waiting == 0);
  // The first of each class is under way when the others come.
  for (size_t i = 0; i < 30; ++i) {
    INFO(i);
    if (i < 6 || i == 10 || i == 11) {
      CHECK(answers[i] == "OK");
    } else {
      CHECK(answers[i].find("RESOURCE_EXHAUSTED: ") == 0);
    }
  }
  server.transactor.Close();
}

TEST_CASE("who has waited too long is told so, and the queue goes on") {
  FakeBed bed;
  Fill(bed, 300, 200);
  bed.fake.CutOff(true);
  Burst burst(bed);
  for (int i = 0; i < 200; ++i) burst.Add("GSI010", Aluno(i));
  const int64_t start_ms = bed.scheduler.MonotonicMs();
  const auto& answers = burst.Wait();
  for (const std::string& answer : answers) CHECK(answer.find("UNAVAILABLE: ") == 0);
  CHECK(bed.scheduler.MonotonicMs() - start_ms < 12'000);
  CHECK(bed.server().turmas.Stats().waiting == 0);
  bed.fake.CutOff(false);
  CHECK(bed.Matricula("GSI010", Aluno(0)) == "");
}

TEST_CASE("only so many resting classes are remembered") {
  FakeBed bed;
  Fill(bed, 100, 10);
  REQUIRE(bed.NovaDisciplina("GSI011", "lisp", 100) == "");
  Server server(bed.fake, bed.scheduler, bed.scheduler, 4711,
                {.waiting_per_turma = 5, .waiting_in_all = 8, .idle_turmas = 1});
  const auto reads_for = [&](const std::string& sigla, int aluno) {
    const int before = bed.fake.reads();
    CHECK(bed.Say([&](Answer done) {
      server.turmas.AdicionaAluno(Par(sigla, Aluno(aluno)), "", std::move(done));
    }) == "");
    return bed.fake.reads() - before;
  };
  CHECK(reads_for("GSI010", 0) == 1);
  CHECK(reads_for("GSI010", 1) == 0);
  CHECK(reads_for("GSI011", 1) == 1);
  CHECK(reads_for("GSI010", 2) == 1);
  server.transactor.Close();
}

TEST_CASE("the longest identifiers still fit") {
  FakeBed bed;
  const std::string sigla(256, '%');
  REQUIRE(bed.NovaDisciplina(sigla, "prolog", 100) == "");
  std::vector<std::string> alunos;
  for (int i = 0; i < 60; ++i) {
    alunos.push_back(std::string(252, '/') + std::to_string(1000 + i));
    REQUIRE(bed.NovoAluno(alunos.back(), "Maycon") == "");
  }
  Burst burst(bed);
  for (int i = 0; i < 60; ++i) {
    burst.Add(sigla, alunos[static_cast<size_t>(i)], std::string(62, '%') + std::to_string(10 + i));
  }
  CHECK(burst.Wait() == Answers(60, ""));
  CHECK(bed.Violations() == "");
}

TEST_CASE("a class is forgotten when others change it") {
  FakeBed bed;
  Fill(bed, 1, 3);
  REQUIRE(bed.Matricula("GSI010", Aluno(0)) == "");
  FakeStore other_store(bed.kv, bed.scheduler);
  Server other(other_store, bed.scheduler, bed.scheduler, 4711);
  const auto other_says = [&](auto call) {
    CHECK(bed.Say([&](Answer done) { call(std::move(done)); }) == "");
  };
  CHECK(bed.Matricula("GSI010", Aluno(1)) == kFull);
  other_says([&](Answer done) {
    other.cadastro.EditaDisciplina(MakeDisciplina("GSI010", "prolog", 2), "", std::move(done));
  });
  CHECK(bed.Matricula("GSI010", Aluno(1)) == "");
  other_says(
      [&](Answer done) { other.turmas.RemoveAluno(Par("GSI010", Aluno(0)), "", std::move(done)); });
  CHECK(bed.Matricula("GSI010", Aluno(2)) == "");
  other_says([&](Answer done) { other.cadastro.RemoveDisciplina("GSI010", "", std::move(done)); });
  CHECK(bed.Desmatricula("GSI010", Aluno(2)) == "disciplina não encontrada");
  other_says([&](Answer done) {
    other.cadastro.NovaDisciplina(MakeDisciplina("GSI010", "prolog", 1), "", std::move(done));
  });
  CHECK(bed.Matricula("GSI010", Aluno(2)) == "");
  CHECK(bed.Matricula("GSI010", Aluno(1)) == kFull);
  CHECK(bed.Violations() == "");
}

}  // namespace
}  // namespace matricula::domain
