// Whole runs of `matriculad ctl …`, from the command line to what is printed and the exit code.
#include "test/unit/ctl/run_ctl.h"

namespace matricula::ctl {
namespace {

TEST_CASE("ctl: a record from its creation to its deletion") {
  FakePortals fake;
  const Outcome created = RunOn(fake, {"aluno", "create", "11921BSI209", "Maycon"});
  CHECK(created.code == ExitCode::kOk);
  CHECK(created.out == "aluno 11921BSI209 cadastrado\n");
  CHECK(created.err.empty());

  const Outcome again = RunOn(fake, {"aluno", "create", "11921BSI209", "Maycon"});
  CHECK(again.code == ExitCode::kRefused);
  CHECK(again.out.empty());
  CHECK(again.err == "aluno já cadastrado\n");

  CHECK(RunOn(fake, {"aluno", "update", "11921BSI209", "José"}).code == ExitCode::kOk);
  CHECK(RunOn(fake, {"aluno", "get", "11921BSI209"}).out ==
        "MATRÍCULA    NOME\n11921BSI209  José\n");
  CHECK(RunOn(fake, {"aluno", "delete", "11921BSI209"}).out == "aluno 11921BSI209 removido\n");
  const Outcome missing = RunOn(fake, {"aluno", "get", "11921BSI209"});
  CHECK(missing.code == ExitCode::kRefused);
  CHECK(missing.err == "aluno 11921BSI209 não encontrado\n");
  CHECK(RunOn(fake, {"aluno", "list"}).out == "MATRÍCULA  NOME\n");
}

TEST_CASE("ctl: with --json there is one document per line and nothing else") {
  FakePortals fake;
  const Outcome created = RunOn(fake, {"disciplina", "create", "GSI010", "prolog", "30", "--json"});
  CHECK(created.out == "{\"status\":0,\"msg\":\"\"}\n");
  const Outcome refused = RunOn(fake, {"--json", "disciplina", "create", "GSI010", "prolog", "30"});
  CHECK(refused.out == "{\"status\":1,\"msg\":\"disciplina já cadastrada\"}\n");
  CHECK(refused.err.empty());
  RunOn(fake, {"disciplina", "create", "GSI002", "algoritmos", "40"});
  CHECK(RunOn(fake, {"disciplina", "list", "--json"}).out ==
        "{\"sigla\":\"GSI002\",\"nome\":\"algoritmos\",\"vagas\":40}\n"
        "{\"sigla\":\"GSI010\",\"nome\":\"prolog\",\"vagas\":30}\n");
  const Outcome report = RunOn(fake, {"relatorio", "disciplina", "GSI010", "--json"});
  CHECK(report.out ==
        "{\"disciplina\":{\"sigla\":\"GSI010\",\"nome\":\"prolog\",\"vagas\":30},"
        "\"professor\":null,\"alunos\":[]}\n");
}

TEST_CASE("ctl: tables are aligned by what a terminal shows") {
  FakePortals fake;
  RunOn(fake, {"disciplina", "create", "GSI010", "programação lógica", "30"});
  RunOn(fake, {"disciplina", "create", "GSI2", "学生 🎓", "5"});
  CHECK(RunOn(fake, {"disciplina", "list"}).out ==
        "SIGLA   NOME                VAGAS\n"
        "GSI010  programação lógica     30\n"
        "GSI2    学生 🎓                 5\n");
}

TEST_CASE("ctl: nothing that a terminal would obey is printed") {
  FakePortals fake;
  RunOn(fake, {"aluno", "create", "11921BSI209", "a\x1b[2Jb"});
  CHECK(RunOn(fake, {"aluno", "get", "11921BSI209"}).out ==
        "MATRÍCULA    NOME\n11921BSI209  a\xEF\xBF\xBD[2Jb\n");
}

TEST_CASE("ctl: reports") {
  FakePortals fake;
  RunOn(fake, {"disciplina", "create", "GSI010", "prolog", "30"});
  RunOn(fake, {"aluno", "create", "11921BSI209", "Maycon"});
  RunOn(fake, {"aluno", "create", "11921BSI210", "Bia"});
  RunOn(fake, {"professor", "create", "1524", "Pedro"});
  CHECK(RunOn(fake, {"docente", "add", "GSI010", "1524"}).out == "professor 1524 leciona GSI010\n");
  CHECK(RunOn(fake, {"matricula", "add", "GSI010", "11921BSI209"}).out ==
        "aluno 11921BSI209 matriculado em GSI010\n");
  CHECK(RunOn(fake, {"relatorio", "disciplina", "GSI010"}).out ==
        "GSI010  prolog\nprofessor: Pedro (1524)\nvagas: 30, alunos: 1\n\n"
        "MATRÍCULA    NOME\n11921BSI209  Maycon\n");
  CHECK(RunOn(fake, {"relatorio", "professor", "1524"}).out ==
        RunOn(fake, {"relatorio", "disciplina", "GSI010"}).out);
  CHECK(RunOn(fake, {"relatorio", "aluno", "11921BSI209"}).out ==
        "SIGLA   NOME    PROFESSOR  VAGAS  ALUNOS\nGSI010  prolog  Pedro         30       1\n");
  const Outcome none = RunOn(fake, {"relatorio", "aluno", "11921BSI210"});
  CHECK(none.code == ExitCode::kOk);
  CHECK(none.out == "não está matriculado em nenhuma disciplina\n");
  CHECK(RunOn(fake, {"relatorio", "aluno", "ninguém"}).code == ExitCode::kRefused);
  CHECK(RunOn(fake, {"relatorio", "disciplina", "GSI999"}).err ==
        "disciplina GSI999 não encontrada\n");
}

TEST_CASE("ctl: a command line that makes no sense is explained in Portuguese") {
  const auto explained = [](Words words, const std::string& reason) {
    const Outcome outcome = Run(words);
    INFO(outcome.err);
    CHECK(outcome.code == ExitCode::kUsage);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.find(reason) == 0);
    CHECK(outcome.err.find("--help") != std::string::npos);
  };
  explained({}, "falta dizer o comando");
  explained({"aluno"}, "falta dizer o comando");
  explained({"alumno", "list"}, "comando desconhecido: alumno");
  explained({"aluno", "dance"}, "comando desconhecido: dance");
  explained({"aluno", "create", "11921BSI209"}, "falta o argumento NOME");
  explained({"aluno", "get", "1", "2"}, "argumento inesperado: 2");
  explained({"aluno", "list", "--jason"}, "argumento inesperado: --jason");
  explained({"aluno", "list", "--timeout"}, "argumentos inválidos");
  explained({"aluno", "list", "--timeout", "0"}, "--timeout");
  explained({"aluno", "list", "--timeout", "nan"}, "--timeout");
  explained({"aluno", "list", "--request-id", std::string(65, 'x')}, "--request-id");
}

TEST_CASE("ctl: arguments that the server could not even read") {
  const Outcome latin = Run({"aluno", "create", "11921BSI209", "Jo\xe3o"});
  CHECK(latin.code == ExitCode::kUsage);
  CHECK(latin.err == "nome: o texto não está em UTF-8\n");
  // 010 is ten to people, and nothing but digits is a number.
  const Outcome vagas = Run({"disciplina", "create", "GSI010", "prolog", "0x10"});
  CHECK(vagas.code == ExitCode::kUsage);
  CHECK(vagas.err == "vagas: '0x10' não é um número inteiro\n");
  CHECK(Run({"disciplina", "create", "GSI010", "prolog", "99999999999"}).code == ExitCode::kUsage);
}

TEST_CASE("ctl: arguments are taken as they stand") {
  FakePortals fake;
  const Words odd = {"list", "aluno", "{}", "[a,b]", "", "a=b", "'x'", "-5", "%%"};
  for (const std::string& name : odd) {
    INFO(name);
    const Outcome created = RunOn(fake, {"aluno", "create", "id " + name, name});
    CHECK(created.code == ExitCode::kOk);
    CHECK(fake.Alunos()["id " + name] == name);
  }
  CHECK(RunOn(fake, {"aluno", "create", "list", "x"}).code == ExitCode::kOk);
  CHECK(RunOn(fake, {"aluno", "get", "list"}).code == ExitCode::kOk);
  CHECK(RunOn(fake, {"disciplina", "create", "GSI010", "prolog", "010"}).code == ExitCode::kOk);
  CHECK(JsonLines(RunOn(fake, {"disciplina", "list", "--json"}).out)[0]["vagas"] == 10);
}

TEST_CASE("ctl: help is on standard output, at every level, with exit code 0") {
  for (const Words& words : {Words{"--help"}, Words{"aluno", "--help"},
                             Words{"aluno", "create", "-h"}, Words{"import", "--help"}}) {
    const Outcome outcome = Run(words);
    CHECK(outcome.code == ExitCode::kOk);
    CHECK(outcome.err.empty());
    CHECK(outcome.out.find("Uso: matriculad ctl") != std::string::npos);
  }
  CHECK(Run({"aluno", "create", "--help"})
            .out.find("Uso: matriculad ctl aluno create MATRÍCULA NOME") != std::string::npos);
}

TEST_CASE("ctl: no server, no waiting") {
  const Outcome outcome = Run({"aluno", "list", "--server", "127.0.0.1:1"});
  CHECK(outcome.code == ExitCode::kUnreachable);
  CHECK(outcome.err.find("servidor 127.0.0.1:1 fora de alcance") == 0);
  const Outcome json = Run({"aluno", "get", "x", "--json", "--server", "127.0.0.1:1"});
  CHECK(json.code == ExitCode::kUnreachable);
  CHECK(JsonLines(json.out).at(0)["status"] == 69);
  const Folder folder;
  const std::string file = folder.Write("alunos.csv", "11921BSI209,Maycon\n");
  CHECK(Run({"import", file, "--server", "127.0.0.1:1"}).code == ExitCode::kUnreachable);
}

TEST_CASE("ctl: a repeated request id does nothing twice") {
  FakePortals fake;
  const Words create = {"aluno", "create", "11921BSI209", "Maycon", "--request-id", "meu-1"};
  CHECK(RunOn(fake, create).code == ExitCode::kOk);
  CHECK(RunOn(fake, create).code == ExitCode::kOk);
  CHECK(fake.RequestIds() == std::vector<std::string>{"meu-1", "meu-1"});
}

}  // namespace
}  // namespace matricula::ctl
