#include <catch2/catch.hpp>

#include "bed.h"
#include "remote_bed.h"

// The rules of the portals, one by one, over each store.
namespace matricula::domain {
namespace {

TEMPLATE_TEST_CASE("records are created once", "", FakeBed, ReplicaBed, WireBed, EtcdBed) {
  TestType bed;
  CHECK(bed.NovoAluno("11921BSI209", "Maycon") == "");
  CHECK(bed.NovoAluno("11921BSI209", "Outro") == "aluno já cadastrado");
  CHECK(bed.ObtemAluno("11921BSI209").nome() == "Maycon");
  CHECK(bed.NovoProfessor("1034", "Ana Lima") == "");
  CHECK(bed.NovoProfessor("1034", "Outra") == "professor já cadastrado");
  CHECK(bed.ObtemProfessor("1034").nome() == "Ana Lima");
  CHECK(bed.NovaDisciplina("GSI010", "prolog", 30) == "");
  CHECK(bed.NovaDisciplina("GSI010", "outra", 40) == "disciplina já cadastrada");
  CHECK(bed.ObtemDisciplina("GSI010").vagas() == 30);
  CHECK(bed.RawGet("turma/GSI010") == R"({"professor":"","ocupadas":0})");
  CHECK(bed.Violations() == "");
}

TEMPLATE_TEST_CASE("only what exists is edited or removed", "", FakeBed, ReplicaBed, WireBed,
                   EtcdBed) {
  TestType bed;
  CHECK(bed.EditaAluno("1192", "Maycon") == "aluno não encontrado");
  CHECK(bed.EditaProfessor("1034", "Ana Lima") == "professor não encontrado");
  CHECK(bed.EditaDisciplina("GSI010", "prolog", 1) == "disciplina não encontrada");
  CHECK(bed.RemoveAluno("1192") == "aluno não encontrado");
  CHECK(bed.RemoveProfessor("1034") == "professor não encontrado");
  CHECK(bed.RemoveDisciplina("GSI010") == "disciplina não encontrada");
  bed.NovoAluno("1192", "Maycon");
  bed.NovoProfessor("1034", "Ana Lima");
  bed.NovaDisciplina("GSI010", "prolog", 30);
  CHECK(bed.EditaAluno("1192", "Maycon Silva") == "");
  CHECK(bed.EditaProfessor("1034", "Ana Maria") == "");
  CHECK(bed.EditaDisciplina("GSI010", "Prolog I", 31) == "");
  CHECK(bed.ObtemAluno("1192").nome() == "Maycon Silva");
  CHECK(bed.ObtemProfessor("1034").nome() == "Ana Maria");
  CHECK(bed.ObtemDisciplina("GSI010").nome() == "Prolog I");
  CHECK(bed.RemoveAluno("1192") == "");
  CHECK(bed.RemoveProfessor("1034") == "");
  CHECK(bed.RemoveDisciplina("GSI010") == "");
  CHECK(bed.ObtemAluno("1192").matricula() == "");
  CHECK(bed.ObtemProfessor("1034").siape() == "");
  CHECK(bed.ObtemDisciplina("GSI010").sigla() == "");
  CHECK(bed.RawGet("turma/GSI010") == "(absent)");
  CHECK(bed.RemoveAluno("1192") == "aluno não encontrado");
}

TEMPLATE_TEST_CASE("malformed input is refused and changes nothing", "", FakeBed, ReplicaBed,
                   WireBed, EtcdBed) {
  TestType bed;
  CHECK(bed.NovoAluno("119", "Maycon") == "matrícula deve ter pelo menos 4 caracteres");
  CHECK(bed.NovoAluno("1192", "M\x01ycon") == "nome contém caractere de controle");
  CHECK(bed.NovoProfessor("1034", "") == "nome deve ter pelo menos 4 caracteres");
  CHECK(bed.NovaDisciplina("GSI010", "prolog", 0) == "o número de vagas deve ser pelo menos 1");
  CHECK(bed.NovaDisciplina("GSI010", "prolog", -5) == "o número de vagas deve ser pelo menos 1");
  CHECK(bed.NovoAluno("1192", "Maycon", std::string(65, 'x')) == recusa::kPedidoInvalido);
  CHECK(bed.RemoveAluno(std::string(5'000'000, 'x')) == "aluno não encontrado");
  CHECK(bed.RemoveAluno("\xff") == "aluno não encontrado");
  CHECK(bed.ObtemAluno("").matricula() == "");
  CHECK(bed.ObtemProfessor(std::string(300, 'x')).siape() == "");
  CHECK(bed.Matricula("", "1192") == "disciplina não encontrada");
  CHECK(bed.Matricula("GSI010", "\x01") == "aluno não encontrado");
  CHECK(bed.Docente("GSI010", "") == "professor não encontrado");
  CHECK(bed.Detalha("\xff").disciplina().sigla() == "");
  CHECK(bed.RawGet("mudanca") == "(absent)");
}

TEMPLATE_TEST_CASE("names with anything in them", "", FakeBed, ReplicaBed, WireBed, EtcdBed) {
  TestType bed;
  const std::string nome = "/ % , \" ' \xF0\x9F\x8E\x93 João";
  CHECK(bed.NovoAluno(nome, nome) == "");
  CHECK(bed.NovoProfessor(nome, nome) == "");
  CHECK(bed.NovaDisciplina(nome, nome, 2) == "");
  CHECK(bed.Matricula(nome, nome) == "");
  CHECK(bed.Docente(nome, nome) == "");
  const auto report = bed.Detalha(nome);
  CHECK(report.professor().nome() == nome);
  REQUIRE(report.alunos_size() == 1);
  CHECK(report.alunos(0).matricula() == nome);
  CHECK(bed.DisciplinasDoAluno(nome).size() == 1);
  CHECK(bed.DisciplinasDoProfessor(nome).size() == 1);
  CHECK(bed.Violations() == "");
  CHECK(bed.RemoveAluno(nome) == "");
  CHECK(bed.RemoveProfessor(nome) == "");
  CHECK(bed.Violations() == "");
  CHECK(bed.RemoveDisciplina(nome) == "");
  CHECK(bed.RawGet("turma/" + nome) == "(absent)");
}

TEMPLATE_TEST_CASE("enrolling needs class, student, no earlier enrollment, and a seat", "", FakeBed,
                   ReplicaBed, WireBed, EtcdBed) {
  TestType bed;
  CHECK(bed.Matricula("GSI010", "1192") == "disciplina não encontrada");
  bed.NovaDisciplina("GSI010", "prolog", 1);
  CHECK(bed.Matricula("GSI010", "1192") == "aluno não encontrado");
  bed.NovoAluno("1192", "Maycon");
  bed.NovoAluno("1193", "Joana");
  CHECK(bed.Matricula("GSI010", "1192") == "");
  CHECK(bed.RawGet("turma/GSI010") == R"({"professor":"","ocupadas":1})");
  CHECK(bed.RawGet("aluno-turma/1192/GSI010") == "{}");
  CHECK(bed.RawGet("matricula/GSI010/1192").find(R"({"disciplina":"GSI010","idPessoa":"1192",)") ==
        0);
  // The first reason that applies: enrolled already, although the class is full, too.
  CHECK(bed.Matricula("GSI010", "1192") == "aluno já matriculado na disciplina");
  CHECK(bed.Matricula("GSI010", "1194") == "aluno não encontrado");
  CHECK(bed.Matricula("GSI010", "1193") == "não há vagas na disciplina");
  CHECK(bed.Violations() == "");
}

TEMPLATE_TEST_CASE("dropping needs the pair to exist, and frees the seat", "", FakeBed, ReplicaBed,
                   WireBed, EtcdBed) {
  TestType bed;
  bed.NovoAluno("1192", "Maycon");
  bed.NovoAluno("1193", "Joana");
  CHECK(bed.Desmatricula("GSI010", "1192") == "disciplina não encontrada");
  bed.NovaDisciplina("GSI010", "prolog", 1);
  CHECK(bed.Desmatricula("GSI010", "1194") == "aluno não encontrado");
  CHECK(bed.Desmatricula("GSI010", "1192") == "aluno não está matriculado na disciplina");
  CHECK(bed.Matricula("GSI010", "1192") == "");
  CHECK(bed.Matricula("GSI010", "1193") == "não há vagas na disciplina");
  CHECK(bed.Desmatricula("GSI010", "1192") == "");
  CHECK(bed.Desmatricula("GSI010", "1192") == "aluno não está matriculado na disciplina");
  CHECK(bed.RawGet("aluno-turma/1192/GSI010") == "(absent)");
  CHECK(bed.Matricula("GSI010", "1193") == "");
  CHECK(bed.Violations() == "");
}

TEMPLATE_TEST_CASE("a class has at most one professor", "", FakeBed, ReplicaBed, WireBed, EtcdBed) {
  TestType bed;
  CHECK(bed.Docente("GSI010", "1034") == "disciplina não encontrada");
  bed.NovaDisciplina("GSI010", "prolog", 1);
  CHECK(bed.Docente("GSI010", "1034") == "professor não encontrado");
  bed.NovoProfessor("1034", "Ana Lima");
  bed.NovoProfessor("1035", "Rui Melo");
  CHECK(bed.TiraDocente("GSI010", "1034") == "o professor não leciona a disciplina");
  CHECK(bed.Docente("GSI010", "1034") == "");
  CHECK(bed.Docente("GSI010", "1034") == "a disciplina já tem professor");
  CHECK(bed.Docente("GSI010", "1035") == "a disciplina já tem professor");
  CHECK(bed.TiraDocente("GSI010", "1035") == "o professor não leciona a disciplina");
  CHECK(bed.Violations() == "");
  CHECK(bed.TiraDocente("GSI010", "1034") == "");
  CHECK(bed.RawGet("professor-turma/1034/GSI010") == "(absent)");
  CHECK(bed.Docente("GSI010", "1035") == "");
  CHECK(bed.TiraDocente("GSI011", "1035") == "disciplina não encontrada");
  CHECK(bed.TiraDocente("GSI010", "1036") == "professor não encontrado");
  CHECK(bed.Violations() == "");
}

TEMPLATE_TEST_CASE("the cap never falls below the seats taken", "", FakeBed, ReplicaBed, WireBed,
                   EtcdBed) {
  TestType bed;
  bed.NovaDisciplina("GSI010", "prolog", 3);
  for (const char* id : {"1192", "1193"}) {
    bed.NovoAluno(id, "Maycon");
    CHECK(bed.Matricula("GSI010", id) == "");
  }
  CHECK(bed.EditaDisciplina("GSI010", "prolog", 1) ==
        "há mais alunos matriculados do que as novas vagas");
  CHECK(bed.EditaDisciplina("GSI010", "prolog", 2) == "");
  bed.NovoAluno("1194", "Maycon");
  CHECK(bed.Matricula("GSI010", "1194") == "não há vagas na disciplina");
  CHECK(bed.EditaDisciplina("GSI010", "prolog", 3) == "");
  CHECK(bed.Matricula("GSI010", "1194") == "");
  CHECK(bed.ObtemDisciplina("GSI010").vagas() == 3);
  CHECK(bed.Violations() == "");
}

TEMPLATE_TEST_CASE("a student who is removed leaves every roster", "", FakeBed, ReplicaBed, WireBed,
                   EtcdBed) {
  TestType bed;
  bed.NovoAluno("1192", "Maycon");
  bed.NovoAluno("1193", "Joana");
  for (const char* sigla : {"GSI010", "GSI011", "GSI012"}) {
    bed.NovaDisciplina(sigla, "prolog", 1);
    CHECK(bed.Matricula(sigla, "1192") == "");
  }
  CHECK(bed.RemoveAluno("1192") == "");
  CHECK(bed.Violations() == "");
  CHECK(bed.CheckAll().matriculas == 0);
  CHECK(bed.Matricula("GSI011", "1193") == "");
  CHECK(bed.Detalha("GSI011").alunos_size() == 1);
}

TEMPLATE_TEST_CASE("a professor who is removed leaves every class", "", FakeBed, ReplicaBed,
                   WireBed, EtcdBed) {
  TestType bed;
  bed.NovoProfessor("1034", "Ana Lima");
  bed.NovoProfessor("1035", "Rui Melo");
  for (const char* sigla : {"GSI010", "GSI011", "GSI012"}) {
    bed.NovaDisciplina(sigla, "prolog", 1);
    CHECK(bed.Docente(sigla, "1034") == "");
  }
  CHECK(bed.RemoveProfessor("1034") == "");
  CHECK(bed.Violations() == "");
  CHECK_FALSE(bed.Detalha("GSI011").has_professor());
  CHECK(bed.Docente("GSI011", "1035") == "");
}

TEMPLATE_TEST_CASE("a discipline that is removed takes its roster along", "", FakeBed, ReplicaBed,
                   WireBed, EtcdBed) {
  TestType bed;
  bed.NovoProfessor("1034", "Ana Lima");
  bed.NovaDisciplina("GSI01", "prolog", 9);
  bed.NovaDisciplina("GSI010", "prolog", 9);
  bed.Docente("GSI01", "1034");
  for (const char* id : {"1192", "1193", "1194"}) {
    bed.NovoAluno(id, "Maycon");
    CHECK(bed.Matricula("GSI01", id) == "");
    CHECK(bed.Matricula("GSI010", id) == "");
  }
  CHECK(bed.RemoveDisciplina("GSI01") == "");
  CHECK(bed.Violations() == "");
  const auto report = bed.CheckAll();
  CHECK(report.disciplinas == 1);
  CHECK(report.matriculas == 3);
  CHECK(bed.DisciplinasDoAluno("1192").size() == 1);
  CHECK(bed.DisciplinasDoProfessor("1034").empty());
  CHECK(bed.Matricula("GSI01", "1192") == "disciplina não encontrada");
  CHECK(bed.NovaDisciplina("GSI01", "prolog", 9) == "");
  CHECK(bed.Detalha("GSI01").alunos_size() == 0);
  CHECK(bed.Matricula("GSI01", "1192") == "");
}

TEMPLATE_TEST_CASE("reports join at read time", "", FakeBed, ReplicaBed, WireBed, EtcdBed) {
  TestType bed;
  bed.NovoProfessor("1034", "Ana Lima");
  bed.NovoAluno("1192", "Maycon");
  bed.NovoAluno("1193", "Joana");
  bed.NovaDisciplina("GSI010", "prolog", 5);
  bed.NovaDisciplina("GSI011", "lisp", 6);
  bed.Matricula("GSI010", "1193");
  bed.Matricula("GSI010", "1192");
  bed.Matricula("GSI011", "1192");
  CHECK_FALSE(bed.Detalha("GSI010").has_professor());
  bed.Docente("GSI010", "1034");
  bed.EditaProfessor("1034", "Ana Maria");
  bed.EditaAluno("1193", "Joana Dias");
  const auto report = bed.Detalha("GSI010");
  CHECK(report.disciplina().vagas() == 5);
  CHECK(report.professor().nome() == "Ana Maria");
  REQUIRE(report.alunos_size() == 2);
  CHECK(report.alunos(0).matricula() == "1192");
  CHECK(report.alunos(1).nome() == "Joana Dias");

  const auto resumos = bed.DisciplinasDoAluno("1192");
  REQUIRE(resumos.size() == 2);
  CHECK(resumos[0].disciplina().nome() == "prolog");
  CHECK(resumos[0].disciplina().vagas() == 5);
  CHECK(resumos[0].professor().siape() == "1034");
  CHECK(resumos[0].totalalunos() == 2);
  CHECK(resumos[1].disciplina().sigla() == "GSI011");
  CHECK_FALSE(resumos[1].has_professor());
  CHECK(resumos[1].totalalunos() == 1);

  const auto relatorios = bed.DisciplinasDoProfessor("1034");
  REQUIRE(relatorios.size() == 1);
  CHECK(relatorios[0].SerializeAsString() == report.SerializeAsString());

  CHECK(bed.Detalha("GSI999").disciplina().sigla() == "");
  CHECK(bed.DisciplinasDoAluno("9999").empty());
  CHECK(bed.DisciplinasDoProfessor("9999").empty());
}

TEMPLATE_TEST_CASE("a repeated request id answers ok again and changes nothing", "", FakeBed,
                   ReplicaBed, WireBed, EtcdBed) {
  TestType bed;
  const std::string other = "identificador de pedido já usado em outra operação";
  CHECK(bed.NovoAluno("1192", "Maycon", "r1") == "");
  CHECK(bed.RawGet("pedido/r1") == R"({"op":"NovoAluno/1192/Maycon"})");
  CHECK(bed.NovoAluno("1192", "Maycon", "r1") == "");
  CHECK(bed.NovoAluno("1192", "Maycom", "r1") == other);
  CHECK(bed.NovoProfessor("1192", "Maycon", "r1") == other);
  CHECK(bed.EditaAluno("1192", "Maycon S.", "r2") == "");
  CHECK(bed.EditaAluno("1192", "Maycon B.") == "");
  CHECK(bed.EditaAluno("1192", "Maycon S.", "r2") == "");
  CHECK(bed.ObtemAluno("1192").nome() == "Maycon B.");

  CHECK(bed.NovaDisciplina("GSI010", "prolog", 2, "r3") == "");
  CHECK(bed.EditaDisciplina("GSI010", "prolog", 3, "r4") == "");
  CHECK(bed.EditaDisciplina("GSI010", "prolog", 2) == "");
  CHECK(bed.EditaDisciplina("GSI010", "prolog", 3, "r4") == "");
  CHECK(bed.ObtemDisciplina("GSI010").vagas() == 2);

  CHECK(bed.Matricula("GSI010", "1192", "r5") == "");
  CHECK(bed.Matricula("GSI010", "1192", "r5") == "");
  CHECK(bed.Desmatricula("GSI010", "1192", "r6") == "");
  CHECK(bed.Desmatricula("GSI010", "1192", "r6") == "");
  CHECK(bed.Matricula("GSI010", "1192", "r5") == "");
  CHECK(bed.Detalha("GSI010").alunos_size() == 0);
  CHECK(bed.Matricula("GSI010", "1192", "r6") == other);
  CHECK(bed.RemoveAluno("GSI010", "r6") == other);

  CHECK(bed.NovoProfessor("1034", "Ana Lima", "r7") == "");
  CHECK(bed.Docente("GSI010", "1034", "r8") == "");
  CHECK(bed.Docente("GSI010", "1034", "r8") == "");
  CHECK(bed.TiraDocente("GSI010", "1034", "r9") == "");
  CHECK(bed.TiraDocente("GSI010", "1034", "r9") == "");
  CHECK(bed.Docente("GSI010", "1034", "r8") == "");
  CHECK_FALSE(bed.Detalha("GSI010").has_professor());

  CHECK(bed.RemoveAluno("1192", "r10") == "");
  CHECK(bed.RemoveAluno("1192", "r10") == "");
  CHECK(bed.NovoAluno("1192", "Maycon", "r1") == "");
  CHECK(bed.ObtemAluno("1192").matricula() == "");
  CHECK(bed.RemoveDisciplina("GSI010", "r11") == "");
  CHECK(bed.RemoveDisciplina("GSI010", "r11") == "");
  CHECK(bed.RemoveProfessor("1034", "r12") == "");
  CHECK(bed.RemoveProfessor("1034", "r12") == "");
}

TEMPLATE_TEST_CASE("a refusal is not remembered", "", FakeBed, ReplicaBed, WireBed, EtcdBed) {
  TestType bed;
  CHECK(bed.EditaAluno("1192", "Maycon", "r1") == "aluno não encontrado");
  CHECK(bed.NovoAluno("1192", "Joana") == "");
  CHECK(bed.EditaAluno("1192", "Maycon", "r1") == "");
  CHECK(bed.NovaDisciplina("GSI010", "prolog", 1) == "");
  CHECK(bed.Matricula("GSI010", "1193", "r2") == "aluno não encontrado");
  CHECK(bed.NovoAluno("1193", "Joana") == "");
  CHECK(bed.Matricula("GSI010", "1193", "r2") == "");
}

TEMPLATE_TEST_CASE("a malformed record is an error that names it", "", FakeBed, ReplicaBed, WireBed,
                   EtcdBed) {
  TestType bed;
  bed.NovoAluno("1192", "Maycon");
  bed.NovaDisciplina("GSI010", "prolog", 5);
  bed.RawPut("aluno/1193", "{");
  const auto obtained = bed.template Await<project::Aluno>([&](base::Done<project::Aluno> done) {
    bed.server().cadastro.ObtemAluno("1193", std::move(done));
  });
  CHECK(obtained.status().code() == base::Code::kDataLoss);
  CHECK(obtained.status().message().find("aluno/1193") != std::string::npos);
  const auto cursor = bed.server().cadastro.ObtemTodosAlunos();
  CHECK(bed.All(*cursor).status().code() == base::Code::kDataLoss);
  bed.RawPut("turma/GSI010", "[]");
  CHECK(bed.Matricula("GSI010", "1192").find("DATA_LOSS: ") == 0);
  CHECK(bed.EditaDisciplina("GSI010", "prolog", 1).find("DATA_LOSS: ") == 0);
  bed.RawPut("pedido/r1", "x");
  CHECK(bed.NovoAluno("1192", "Maycon", "r1").find("DATA_LOSS: ") == 0);
  CHECK(bed.Violations().find("aluno/1193: malformed record") != std::string::npos);
  CHECK(bed.Violations().find("turma/GSI010: malformed record") != std::string::npos);
}

}  // namespace
}  // namespace matricula::domain
