#include <catch2/catch.hpp>

#include <string>

#include "bed.h"

namespace matricula::domain {
namespace {

void Fill(Bed& bed) {
  for (const char* id : {"1192", "1193"}) REQUIRE(bed.NovoAluno(id, "Maycon") == "");
  REQUIRE(bed.NovoProfessor("1034", "Ana Lima") == "");
  REQUIRE(bed.NovaDisciplina("GSI010", "prolog", 2) == "");
  REQUIRE(bed.NovaDisciplina("GSI011", "lisp", 1) == "");
  REQUIRE(bed.Matricula("GSI010", "1192") == "");
  REQUIRE(bed.Matricula("GSI010", "1193") == "");
  REQUIRE(bed.Matricula("GSI011", "1193") == "");
  REQUIRE(bed.Docente("GSI010", "1034") == "");
}

TEST_CASE("a sound store has no violations") {
  FakeBed bed;
  CHECK(bed.Violations() == "");
  Fill(bed);
  const auto report = bed.CheckAll();
  CHECK(report.ok());
  CHECK(report.revision == bed.kv.revision());
  CHECK(report.alunos == 2);
  CHECK(report.professores == 1);
  CHECK(report.disciplinas == 2);
  CHECK(report.matriculas == 3);
  CHECK(report.pending_removals == 0);
}

struct Damage {
  const char* key;
  const char* value;  // null: the key is deleted
  const char* found;
};

TEST_CASE("every kind of damage is found") {
  const Damage damages[] = {
      {"aluno/1192", "{", "aluno/1192: malformed record"},
      {"aluno/1192", R"({"matricula":"1193","nome":"x"})",
       "aluno/1192: holds the record of another key"},
      {"aluno/1192", nullptr, "matricula/GSI010/1192: has a student without a record"},
      {"professor/1034", "[]", "professor/1034: malformed record"},
      {"professor/1034", nullptr, "turma/GSI010: has a teacher without a record"},
      {"disciplina/GSI010", "x", "disciplina/GSI010: malformed record"},
      {"disciplina/GSI010", R"({"sigla":"GSI010","nome":"p","vagas":1})",
       "disciplina/GSI010: has more students than seats"},
      {"disciplina/GSI010", R"({"sigla":"GSI010","nome":"p","vagas":0})",
       "disciplina/GSI010: has no seats"},
      {"disciplina/GSI010", nullptr, "turma/GSI010: has no discipline"},
      {"turma/GSI010", "{}", "turma/GSI010: malformed record"},
      {"turma/GSI010", nullptr, "disciplina/GSI010: has no class"},
      {"turma/GSI010", nullptr, "matricula/GSI010/1192: has no class"},
      {"turma/GSI010", R"({"professor":"1034","ocupadas":1})",
       "turma/GSI010: counts 1 seats taken, but 2 students are enrolled"},
      {"turma/GSI010", R"({"professor":"","ocupadas":2})",
       "professor-turma/1034/GSI010: stands for no teacher"},
      {"professor-turma/1034/GSI010", nullptr, "turma/GSI010: is missing in its teacher's index"},
      {"professor-turma/1034/GSI011", "{}", "professor-turma/1034/GSI011: stands for no teacher"},
      {"matricula/GSI010/1192", nullptr, "aluno-turma/1192/GSI010: stands for no enrollment"},
      {"matricula/GSI010/1192", nullptr,
       "turma/GSI010: counts 2 seats taken, but 1 students are enrolled"},
      {"matricula/GSI010/1192", R"({"disciplina":"GSI011","idPessoa":"1192","em":""})",
       "matricula/GSI010/1192: holds the record of another key"},
      {"matricula/GSI011/1192", R"({"disciplina":"GSI011","idPessoa":"1192","em":""})",
       "matricula/GSI011/1192: is missing in its student's index"},
      {"matricula/%41/x", "{}", "matricula/%41/x: malformed record"},
      {"aluno-turma/1192/GSI010", nullptr,
       "matricula/GSI010/1192: is missing in its student's index"},
      {"aluno-turma/1192/GSI011", "{}", "aluno-turma/1192/GSI011: stands for no enrollment"},
      {"remocao/aluno/1192", "{}", "remocao/aluno/1192: but the record is still there"},
      {"remocao/curso/1192", "{}", "remocao/curso/1192: malformed key"},
  };
  for (const Damage& damage : damages) {
    INFO(damage.key << " := " << (damage.value == nullptr ? "(deleted)" : damage.value));
    FakeBed bed;
    Fill(bed);
    if (damage.value == nullptr) {
      bed.RawDelete(damage.key);
    } else {
      bed.RawPut(damage.key, damage.value);
    }
    CHECK(bed.Violations().find(damage.found) != std::string::npos);
  }
}

TEST_CASE("the check is of one revision and reads in pages") {
  FakeBed bed;
  Fill(bed);
  for (int i = 0; i < 700; ++i) {
    const std::string id = std::to_string(5'000 + i);
    bed.RawPut("aluno/" + id, R"({"matricula":")" + id + R"(","nome":"x"})");
    bed.RawPut("aluno-turma/" + id + "/GSI999", "{}");
  }
  CheckReport report;
  Check(bed.server().transactor,
        [&](base::Result<CheckReport> result) { report = std::move(*result); });
  const int64_t revision = bed.kv.revision();
  for (int step = 0; report.revision == 0; ++step) {
    REQUIRE(bed.scheduler.Step());
    // What is damaged after the first page is not seen.
    if (step == 4) {
      etcdserverpb::TxnRequest damage;
      damage.add_success()->mutable_request_delete_range()->set_key("turma/GSI010");
      REQUIRE(bed.kv.Txn(damage).ok());
    }
  }
  CHECK(report.revision == revision);
  CHECK(report.alunos == 702);
  CHECK(report.violations_in_all == 700);
  CHECK(report.violations.size() == 700);
}

}  // namespace
}  // namespace matricula::domain
