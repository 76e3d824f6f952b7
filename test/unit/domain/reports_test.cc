#include <catch2/catch.hpp>

#include <memory>
#include <string>

#include "bed.h"

// Long answers: pages, snapshots, and what happens to them meanwhile.
namespace matricula::domain {
namespace {

std::string Id(const std::string& prefix, int number) {
  return prefix + std::to_string(10000 + number);
}

void RawAluno(FakeBed& bed, const std::string& id) {
  bed.RawPut("aluno/" + id, R"({"matricula":")" + id + R"(","nome":"Maycon"})");
}

TEST_CASE("a listing comes in pages of one revision") {
  FakeBed bed;
  for (int i = 0; i < 1'234; ++i) RawAluno(bed, Id("a", i));
  const auto cursor = bed.server().cadastro.ObtemTodosAlunos();
  std::vector<project::Aluno> all;
  int pages = 0;
  while (true) {
    auto page = bed.Await<std::vector<project::Aluno>>(
        [&](auto done) { cursor->NextPage(std::move(done)); });
    REQUIRE(page.ok());
    CHECK(page->size() <= static_cast<size_t>(kMaxPageItems));
    if (page->empty()) break;
    ++pages;
    for (auto& aluno : *page) all.push_back(std::move(aluno));
    // Changes between the pages are not seen.
    bed.RawDelete("aluno/" + Id("a", 1'200));
    bed.RawPut("aluno/" + Id("a", 900), R"({"matricula":"x","nome":"y"})");
    RawAluno(bed, Id("b", pages));
  }
  CHECK(pages == 3);
  REQUIRE(all.size() == 1'234);
  for (int i = 0; i < 1'234; ++i) CHECK(all[static_cast<size_t>(i)].matricula() == Id("a", i));
  // The end stays the end.
  CHECK(
      bed.Await<std::vector<project::Aluno>>([&](auto done) { cursor->NextPage(std::move(done)); })
          ->empty());
}

TEST_CASE("each kind of record is listed") {
  FakeBed bed;
  bed.NovoProfessor("1034", "Ana Lima");
  bed.NovoProfessor("1035", "Rui Melo");
  bed.NovaDisciplina("GSI010", "prolog", 3);
  const auto professores = bed.server().cadastro.ObtemTodosProfessores();
  const auto all = bed.All(*professores);
  REQUIRE(all->size() == 2);
  CHECK((*all)[1].nome() == "Rui Melo");
  const auto disciplinas = bed.server().cadastro.ObtemTodasDisciplinas();
  const auto one = bed.All(*disciplinas);
  REQUIRE(one->size() == 1);
  CHECK((*one)[0].vagas() == 3);
  const auto none = bed.server().cadastro.ObtemTodosAlunos();
  CHECK(bed.All(*none)->empty());
}

TEST_CASE("a listing that history has left behind is aborted") {
  FakeBed bed;
  for (int i = 0; i < 600; ++i) RawAluno(bed, Id("a", i));
  const auto cursor = bed.server().cadastro.ObtemTodosAlunos();
  const auto next = [&] {
    return bed
        .Await<std::vector<project::Aluno>>([&](auto done) { cursor->NextPage(std::move(done)); })
        .status();
  };
  CHECK(next().ok());
  RawAluno(bed, "zzzz");
  bed.kv.Compact(bed.kv.revision());
  CHECK(next().code() == base::Code::kAborted);
}

TEST_CASE("a cursor may be destroyed while its page is on the way") {
  FakeBed bed;
  for (int i = 0; i < 3; ++i) RawAluno(bed, Id("a", i));
  size_t items = 0;
  auto cursor = bed.server().cadastro.ObtemTodosAlunos();
  cursor->NextPage([&](auto page) { items = page->size(); });
  cursor.reset();
  bed.scheduler.RunUntilIdle();
  CHECK(items == 3);
}

TEST_CASE("a report of many pages of students") {
  for (const int alunos : {0, 1, 127, 128, 499, 500, 501, 1'300}) {
    INFO(alunos);
    FakeBed bed;
    bed.NovoProfessor("1034", "Ana Lima");
    bed.NovaDisciplina("GSI010", "prolog", 2'000);
    bed.Docente("GSI010", "1034");
    for (int i = 0; i < alunos; ++i) {
      RawAluno(bed, Id("a", i));
      bed.RawPut("matricula/GSI010/" + Id("a", i), "{}");
    }
    const auto report = bed.Detalha("GSI010");
    CHECK(report.professor().nome() == "Ana Lima");
    REQUIRE(report.alunos_size() == alunos);
    for (int i = 0; i < alunos; ++i) CHECK(report.alunos(i).matricula() == Id("a", i));
  }
}

TEST_CASE("a student and a professor of many classes") {
  FakeBed bed;
  bed.NovoAluno("1192", "Maycon");
  bed.NovoProfessor("1034", "Ana Lima");
  constexpr int kTurmas = 107;
  for (int i = 0; i < kTurmas; ++i) {
    const std::string sigla = Id("GSI", i);
    REQUIRE(bed.NovaDisciplina(sigla, "prolog", 2) == "");
    REQUIRE(bed.Matricula(sigla, "1192") == "");
    if (i % 2 == 0) REQUIRE(bed.Docente(sigla, "1034") == "");
  }
  const auto resumos = bed.DisciplinasDoAluno("1192");
  REQUIRE(resumos.size() == kTurmas);
  for (int i = 0; i < kTurmas; ++i) {
    const auto& resumo = resumos[static_cast<size_t>(i)];
    CHECK(resumo.disciplina().sigla() == Id("GSI", i));
    CHECK(resumo.has_professor() == (i % 2 == 0));
    CHECK(resumo.totalalunos() == 1);
  }
  const auto cursor = bed.server().reports.ObtemDisciplinasProfessor("1034");
  size_t largest_page = 0;
  const auto relatorios = bed.All(*cursor, &largest_page);
  CHECK(largest_page == 1);
  REQUIRE(relatorios->size() == (kTurmas + 1) / 2);
  for (const auto& relatorio : *relatorios) {
    CHECK(relatorio.professor().siape() == "1034");
    CHECK(relatorio.alunos_size() == 1);
  }
}

}  // namespace
}  // namespace matricula::domain
