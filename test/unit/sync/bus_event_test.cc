#include "common/sync/bus_event.h"

#include <catch2/catch.hpp>

namespace matricula::sync {
namespace {

BusEvent Parsed(std::string_view topic, std::string_view payload) {
  auto event = ParseMessage(topic, payload);
  INFO(topic << " " << payload << ": " << event.status());
  REQUIRE(event.ok());
  return *event;
}

base::Code CodeOf(std::string_view topic, std::string_view payload) {
  return ParseMessage(topic, payload).status().code();
}

}  // namespace

TEST_CASE("what is said on the bus is JSON with the fields in the order of the schema") {
  DisciplinaEvent created;
  created.record.set_sigla("BSI034");
  created.record.set_nome("prolog \"básico\"");
  created.record.set_vagas(30);
  CHECK(TopicOf(created) == "portal/admin/disciplina/create");
  CHECK(PayloadOf(created) == R"({"sigla":"BSI034","nome":"prolog \"básico\"","vagas":30})");
  created.action = Action::kDelete;
  CHECK(TopicOf(created) == "portal/admin/disciplina/delete");
  CHECK(PayloadOf(created) == R"({"sigla":"BSI034"})");

  MatriculaEvent added;
  added.par.set_disciplina("BSI034");
  added.par.set_idpessoa("11921BSI209");
  added.vagas = 29;
  CHECK(TopicOf(added) == "portal/mat/aluno/add");
  CHECK(PayloadOf(added) == R"({"disciplina":"BSI034","idPessoa":"11921BSI209","vagas":29})");
  added.who = MatriculaEvent::Who::kProfessor;
  added.added = false;
  added.vagas.reset();
  CHECK(TopicOf(added) == "portal/mat/professor/del");
  CHECK(PayloadOf(added) == R"({"disciplina":"BSI034","idPessoa":"11921BSI209"})");
}

TEST_CASE("what is said can be read back") {
  for (const auto& [topic, payload] : std::vector<std::pair<std::string, std::string>>{
           {"portal/admin/aluno/create", R"({"matricula":"11921BSI209","nome":"maycon"})"},
           {"portal/admin/aluno/update", R"({"matricula":"11921BSI209","nome":"a, b / % ç"})"},
           {"portal/admin/professor/delete", R"({"siape":"1524"})"},
           {"portal/admin/disciplina/update", R"({"sigla":"BSI034","nome":"prolog","vagas":30})"},
           {"portal/mat/professor/add", R"({"disciplina":"BSI034","idPessoa":"1524"})"}}) {
    const BusEvent event = Parsed(topic, payload);
    CHECK(TopicOf(event) == topic);
    CHECK(PayloadOf(event) == payload);
  }
}

TEST_CASE("the comma form is understood") {
  const auto aluno =
      std::get<AlunoEvent>(Parsed("portal/admin/aluno/create", "11921BSI209,maycon"));
  CHECK(aluno.record.matricula() == "11921BSI209");
  CHECK(aluno.record.nome() == "maycon");
  const auto disciplina = std::get<DisciplinaEvent>(
      Parsed("portal/admin/disciplina/update", "BSI034,logic, prolog,29"));
  CHECK(disciplina.record.sigla() == "BSI034");
  CHECK(disciplina.record.nome() == "logic, prolog");
  CHECK(disciplina.record.vagas() == 29);
  const auto gone = std::get<ProfessorEvent>(Parsed("portal/admin/professor/delete", "1525"));
  CHECK(gone.action == Action::kDelete);
  CHECK(gone.record.siape() == "1525");
  const auto pair = std::get<MatriculaEvent>(Parsed("portal/mat/aluno/del", "BSI034,11921BSI209"));
  CHECK_FALSE(pair.added);
  CHECK(pair.par.idpessoa() == "11921BSI209");
}

TEST_CASE("further fields do not matter, missing and wrong ones do") {
  CHECK(CodeOf("portal/mat/aluno/add", R"({"disciplina":"a","idPessoa":"b","vagas":3,"x":[1]})") ==
        base::Code::kOk);
  for (const char* payload :
       {"", "{", "{}", "[1]", "{\"matricula\":1,\"nome\":\"x\"}", "{\"matricula\":\"x\"}",
        "lone-key", "{\"matricula\":\"x\",\"nome\":null}"}) {
    INFO(payload);
    CHECK(CodeOf("portal/admin/aluno/create", payload) == base::Code::kInvalidArgument);
  }
  for (const char* payload :
       {"a,b", "a,b,", "a,b,x", "a,b,3.5", "a,b,99999999999",
        R"({"sigla":"a","nome":"b","vagas":"3"})", R"({"sigla":"a","nome":"b","vagas":1e3})",
        R"({"sigla":"a","nome":"b","vagas":4294967296})"}) {
    INFO(payload);
    CHECK(CodeOf("portal/admin/disciplina/create", payload) == base::Code::kInvalidArgument);
  }
  CHECK(CodeOf("portal/admin/aluno/delete", "a,b") == base::Code::kInvalidArgument);
}

TEST_CASE("topics of others are told apart") {
  for (const char* topic :
       {"portal/aluno", "portal/admin//delete", "portal/admin/aluno", "portal/admin/aluno/drop",
        "portal/admin/aluno/create/x", "portal/mat/aluno/create", "portal/mat/disciplina/add",
        "campus/admin/aluno/create", "", "portal/"}) {
    INFO(topic);
    CHECK(CodeOf(topic, "a,b") == base::Code::kNotFound);
  }
}

}  // namespace matricula::sync
