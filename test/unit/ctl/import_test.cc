// ctl import and ctl export, as whole runs against fake portals.
#include <csignal>
#include <thread>

#include "test/unit/ctl/run_ctl.h"

namespace matricula::ctl {
namespace {

std::string ManyAlunos(int count) {
  std::string text = "matricula,nome\n";
  for (int i = 0; i < count; ++i) {
    text += "11921BSI" + std::to_string(10000 + i) + ",Aluno de teste\n";
  }
  return text;
}

TEST_CASE("import: a folder goes in, in the order that it needs") {
  FakePortals fake;
  const Folder folder;
  folder.Write("matriculas.csv", "disciplina,matricula\nGSI010,11921BSI209\n");
  folder.Write("alunos.csv", "matricula,nome\n11921BSI209,\"Silva, Maycon\"\n");
  folder.Write("docentes-2026.csv", "GSI010,1524\n");
  folder.Write("disciplinas.csv", "GSI010;prolog;30\n");
  folder.Write("professores.csv", "siape,nome\n1524,Pedro\n");
  folder.Write("leia-me.txt", "nada\n");
  const Outcome outcome = RunOn(fake, {"import", folder.path()});
  INFO(outcome.err);
  CHECK(outcome.code == ExitCode::kOk);
  CHECK(outcome.err.empty());
  CHECK(outcome.out ==
        "ARQUIVO            LINHAS  INCLUÍDAS  RECUSADAS  INVÁLIDAS  SEM RESPOSTA\n"
        "alunos.csv              1          1          0          0             0\n"
        "professores.csv         1          1          0          0             0\n"
        "disciplinas.csv         1          1          0          0             0\n"
        "docentes-2026.csv       1          1          0          0             0\n"
        "matriculas.csv          1          1          0          0             0\n");
  CHECK(fake.Alunos().at("11921BSI209") == "Silva, Maycon");
  CHECK(fake.Matriculas().size() == 1);
}

TEST_CASE("import: bad lines are told with file, line and reason, and the rest goes in") {
  FakePortals fake;
  const Folder folder;
  const std::string file = folder.Write("alunos.csv",
                                        "matricula,nome\n"
                                        "11921BSI201,Ana\n"
                                        "11921BSI202\n"
                                        "11921BSI203,Jo\xe3o\n"
                                        "11921BSI204,\"Bia\"x\n"
                                        "11921BSI201,Ana outra vez\n"
                                        "11921BSI205,Caio\n");
  RunOn(fake, {"aluno", "create", "11921BSI205", "Caio"});
  const Outcome outcome = RunOn(fake, {"import", file});
  CHECK(outcome.code == ExitCode::kRefused);
  CHECK(outcome.err ==
        "alunos.csv:3: esperava 2 campos (matricula,nome), há 1\n"
        "alunos.csv:4: nome: o texto não está em UTF-8\n"
        "alunos.csv:5: texto depois das aspas que fecham o campo\n"
        "alunos.csv:6: repete a chave da linha 2\n"
        "alunos.csv:7: aluno já cadastrado\n"
        "há linhas que não entraram\n");
  CHECK(fake.Alunos().size() == 2);
  CHECK(fake.Alunos().at("11921BSI201") == "Ana");
}

TEST_CASE("import: with --json every bad line is a document, and the last one sums up") {
  FakePortals fake;
  const Folder folder;
  const std::string file = folder.Write("disciplinas.csv", "GSI010,prolog,trinta\nGSI011,c,9\n");
  const Outcome outcome = RunOn(fake, {"import", file, "--json", "--resume", "abc"});
  const auto lines = JsonLines(outcome.out);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0]["arquivo"] == "disciplinas.csv");
  CHECK(lines[0]["linha"] == 1);
  CHECK(lines[0]["motivo"] == "vagas: 'trinta' não é um número inteiro");
  CHECK(lines[1]["status"] == 1);
  CHECK(lines[1]["execucao"] == "abc");
  CHECK(lines[1]["arquivos"][0]["boas"] == 1);
  CHECK(lines[1]["arquivos"][0]["invalidas"] == 1);
  CHECK(outcome.err.empty());
}

TEST_CASE("import: a header may order the columns, and have more of them") {
  FakePortals fake;
  const Folder folder;
  const std::string good =
      folder.Write("alunos.csv", "Nome,E-mail, Matrícula \nAna,a@x,11921BSI201\nBia,b@x\n");
  const Outcome outcome = RunOn(fake, {"import", good});
  CHECK(fake.Alunos().at("11921BSI201") == "Ana");
  CHECK(outcome.err.find("alunos.csv:3: esperava 3 campos") == 0);

  const std::string bad = folder.Write("alunos-b.csv", "matricula,apelido\n11921BSI202,Bia\n");
  const Outcome refused = RunOn(fake, {"import", bad});
  CHECK(refused.code == ExitCode::kRefused);
  CHECK(refused.err.find("alunos-b.csv:1: falta a coluna 'nome' no cabeçalho") == 0);
  CHECK(fake.Alunos().size() == 1);
}

TEST_CASE("import: --dry-run sends nothing and needs no server") {
  const Folder folder;
  const std::string file = folder.Write("alunos.csv", "11921BSI201,Ana Silva\n12,Bia Souza\n");
  const Outcome outcome = Run({"import", file, "--dry-run", "--server", "127.0.0.1:1"});
  CHECK(outcome.code == ExitCode::kRefused);
  INFO(outcome.err);
  CHECK(outcome.err.find("alunos.csv:2: ") == 0);  // shorter than a server's default allows
  CHECK(outcome.out.find("alunos.csv       2     1          0          1") != std::string::npos);
}

TEST_CASE("import: what it is cannot always be known from its name") {
  const Folder folder;
  const std::string file = folder.Write("lista.csv", "11921BSI201,Ana\n");
  const Outcome unknown = Run({"import", file});
  CHECK(unknown.code == ExitCode::kUsage);
  CHECK(unknown.err.find("diga com --kind") != std::string::npos);
  CHECK(Run({"import", file, "--kind", "cursos"}).code == ExitCode::kUsage);
  CHECK(Run({"import", folder.path() + "/nada.csv"}).code == ExitCode::kUsage);
  CHECK(Run({"import", folder.path()}).code == ExitCode::kUsage);
  CHECK(Run({"import", file, "--kind", "alunos", "--in-flight", "0"}).code == ExitCode::kUsage);
  FakePortals fake;
  CHECK(RunOn(fake, {"import", file, "--kind", "alunos"}).code == ExitCode::kOk);
}

TEST_CASE("import: a call without an answer is made again, and takes effect once") {
  FakePortals fake;
  // Every third line meets trouble twice: before its effect, then after it.
  fake.SetFaults([](const std::string& id, int attempt) {
    FakePortals::Fault fault;
    if (std::hash<std::string>()(id) % 3 == 0 && attempt <= 2) {
      fault.status = {grpc::StatusCode::UNAVAILABLE, "no leader"};
      fault.after_effect = attempt == 2;
    }
    return fault;
  });
  const Folder folder;
  const Outcome outcome = RunOn(fake, {"import", folder.Write("alunos.csv", ManyAlunos(200))});
  INFO(outcome.err);
  CHECK(outcome.code == ExitCode::kOk);
  CHECK(fake.Alunos().size() == 200);
  CHECK(fake.RequestIds().size() > 200);
}

TEST_CASE("import: a server that stays silent is given up, and another run goes on") {
  FakePortals fake;
  fake.SetFaults([](const std::string& id, int) {
    FakePortals::Fault fault;
    if (id.find("-51-") != std::string::npos) {  // the 50th record: effect, but never an answer
      fault = {{grpc::StatusCode::UNAVAILABLE, "gone"}, true};
    }
    return fault;
  });
  const Folder folder;
  const std::string file = folder.Write("alunos.csv", ManyAlunos(100));
  const Words words = {"import", file, "--in-flight", "1", "--resume", "run7"};
  Words impatient = words;
  impatient.insert(impatient.end(), {"--server", fake.address(), "--timeout", "0.3"});
  const Outcome outcome = Run(impatient);
  INFO(outcome.err);
  CHECK(outcome.code == ExitCode::kUnreachable);
  CHECK(outcome.err.find("até a linha 50 todas têm resposta") != std::string::npos);
  CHECK(outcome.err.find("--resume run7") != std::string::npos);
  CHECK(fake.Alunos().size() == 50);

  fake.SetFaults(nullptr);
  const Outcome resumed = RunOn(fake, words);
  INFO(resumed.err);
  CHECK(resumed.code == ExitCode::kOk);
  CHECK(fake.Alunos().size() == 100);
}

TEST_CASE("import: request ids follow the line's content, and the run") {
  FakePortals fake;
  const Folder folder;
  const std::string file = folder.Write("alunos.csv", "11921BSI201,Ana\n11921BSI202,Bia\n");
  RunOn(fake, {"import", file, "--resume", "a", "--in-flight", "1"});
  folder.Write("alunos.csv", "11921BSI201,Ana\n11921BSI203,Caio\n");
  RunOn(fake, {"import", file, "--resume", "a", "--in-flight", "1"});
  RunOn(fake, {"import", file, "--resume", "b", "--in-flight", "1"});
  const auto ids = fake.RequestIds();
  REQUIRE(ids.size() == 6);
  CHECK(ids[2] == ids[0]);
  CHECK(ids[3] != ids[1]);  // an edited line is a new one
  CHECK(ids[4] != ids[2]);  // so is a new run
  CHECK(fake.Alunos().count("11921BSI203") == 1);
  for (const std::string& id : ids) CHECK(id.size() <= 64);
}

TEST_CASE("import: Ctrl-C ends it cleanly and says how far it got") {
  FakePortals fake;
  fake.SetFaults([](const std::string& id, int) {
    if (id.find("-101-") != std::string::npos) std::raise(SIGINT);
    return FakePortals::Fault();
  });
  const Folder folder;
  const std::string file = folder.Write("alunos.csv", ManyAlunos(20000));
  const Outcome outcome = RunOn(fake, {"import", file, "--json"});
  CHECK(outcome.code == ExitCode::kInterrupted);
  const auto lines = JsonLines(outcome.out);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0]["status"] == 130);
  const int64_t read = lines[0]["arquivos"][0]["linhas"];
  CHECK(read >= 100);
  CHECK(read < 20000);
  // Everything that was read has its answer.
  CHECK(lines[0]["arquivos"][0]["boas"] == read);
  CHECK(fake.Alunos().size() == static_cast<size_t>(read));
  CHECK(lines[0]["msg"].get<std::string>().find("até a linha " + std::to_string(read + 1) +
                                                " todas têm resposta") != std::string::npos);
}

TEST_CASE("import: progress is drawn on a terminal only") {
  FakePortals fake;
  const Folder folder;
  const std::string file = folder.Write("alunos.csv", ManyAlunos(50));
  const Words words = {"import", file, "--server", fake.address()};
  CHECK(Run(words).err.empty());
  const Outcome drawn = Run(words, /*terminal=*/true);
  CHECK(drawn.err.find("alunos.csv  ") != std::string::npos);
  CHECK(drawn.err.find("linhas") != std::string::npos);
}

TEST_CASE("export: what is exported can be imported again") {
  FakePortals fake;
  const Folder folder;
  folder.Write("alunos.csv", "11921BSI209,\"Silva, \"\"M\"\"\"\n11921BSI210,Bia 🎓\n");
  folder.Write("professores.csv", "1524,Pedro\n");
  folder.Write("disciplinas.csv", "GSI010,prolog,30\nGSI011,\"a;b\",5\n");
  folder.Write("docentes.csv", "GSI010,1524\n");
  folder.Write("matriculas.csv", "GSI010,11921BSI209\nGSI011,11921BSI209\nGSI011,11921BSI210\n");
  REQUIRE(RunOn(fake, {"import", folder.path()}).code == ExitCode::kOk);

  const Folder out;
  const Outcome exported = RunOn(fake, {"export", "--dir", out.path() + "/novo"});
  INFO(exported.err);
  REQUIRE(exported.code == ExitCode::kOk);
  CHECK(out.Read("novo/alunos.csv") ==
        "matricula,nome\n11921BSI209,\"Silva, \"\"M\"\"\"\n11921BSI210,Bia 🎓\n");
  CHECK(out.Read("novo/docentes.csv") == "disciplina,siape\nGSI010,1524\n");

  FakePortals copy;
  REQUIRE(RunOn(copy, {"import", out.path() + "/novo"}).code == ExitCode::kOk);
  CHECK(copy.Alunos() == fake.Alunos());
  CHECK(copy.Matriculas() == fake.Matriculas());
  CHECK(RunOn(fake, {"export", "disciplinas"}).out ==
        "sigla,nome,vagas\nGSI010,prolog,30\nGSI011,\"a;b\",5\n");
}

TEST_CASE("export: it leaves no half-written file") {
  const Folder out;
  const Outcome outcome = Run({"export", "alunos", "--dir", out.path(), "--server", "127.0.0.1:1"});
  CHECK(outcome.code == ExitCode::kUnreachable);
  CHECK(std::filesystem::is_empty(out.path()));
  CHECK(Run({"export", "alunos", "professores"}).code == ExitCode::kUsage);
  CHECK(Run({"export", "turmas", "--dir", out.path()}).code == ExitCode::kUsage);
}

}  // namespace
}  // namespace matricula::ctl
