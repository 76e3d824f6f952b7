#include <catch2/catch.hpp>

#include <string>

#include <nlohmann/json.hpp>

#include "common/domain/records.h"

namespace matricula::domain {
namespace {

project::Aluno MakeAluno(const std::string& matricula, const std::string& nome) {
  project::Aluno aluno;
  aluno.set_matricula(matricula);
  aluno.set_nome(nome);
  return aluno;
}

TEST_CASE("records have one spelling") {
  CHECK(EncodeAluno(MakeAluno("11921BSI209", "Maycon")) ==
        R"({"matricula":"11921BSI209","nome":"Maycon"})");
  project::Professor professor;
  professor.set_siape("1034");
  professor.set_nome("Ana");
  CHECK(EncodeProfessor(professor) == R"({"siape":"1034","nome":"Ana"})");
  project::Disciplina disciplina;
  disciplina.set_sigla("GSI010");
  disciplina.set_nome("prolog");
  disciplina.set_vagas(2147483647);
  CHECK(EncodeDisciplina(disciplina) == R"({"sigla":"GSI010","nome":"prolog","vagas":2147483647})");
  CHECK(EncodeTurma({"1034", 7}) == R"({"professor":"1034","ocupadas":7})");
  CHECK(EncodeMatricula("GSI010", "1", "2026-01-31T12:00:00.000Z") ==
        R"({"disciplina":"GSI010","idPessoa":"1","em":"2026-01-31T12:00:00.000Z"})");
  CHECK(EncodePedido("x") == R"({"op":"x"})");
  CHECK(EncodeMudanca("t-1") == R"({"por":"t-1"})");
  CHECK(EncodeRemocao("1") == R"({"id":"1"})");
}

TEST_CASE("what is encoded is valid JSON and comes back the same") {
  for (const std::string& nome : std::vector<std::string>{
           "", "a/b%c,d", "\"quoted\" 'single'", "back\\slash", "tab\tnewline\nnul\x01end\x1f",
           "João \xF0\x9F\x8E\x93", "\x7f\xC2\x80"}) {
    const std::string json = EncodeAluno(MakeAluno(nome, nome + "x"));
    INFO(json);
    CHECK(nlohmann::json::parse(json).at("matricula") == nome);
    const auto decoded = DecodeAluno(json);
    REQUIRE(decoded.ok());
    CHECK(decoded->matricula() == nome);
    CHECK(decoded->nome() == nome + "x");
  }
}

TEST_CASE("every kind of record comes back the same") {
  CHECK(*DecodeTurma(EncodeTurma({"a\"b", 3})) == Turma{"a\"b", 3});
  CHECK(*DecodeMatricula(EncodeMatricula("d", "p", "e")) == Matricula{"d", "p", "e"});
  CHECK(*DecodePedido(EncodePedido("AdicionaAluno/x/y")) == "AdicionaAluno/x/y");
  CHECK(*DecodeMudanca(EncodeMudanca("t")) == "t");
  CHECK(*DecodeRemocao(EncodeRemocao("i")) == "i");
}

TEST_CASE("decoding takes what others may have written") {
  const auto decoded = DecodeDisciplina(
      " {\"vagas\": 30, \"mais\": [1,{\"x\":null}], \"nome\":\"p\\u00e9\",\n"
      "\"sigla\":\"BSI034\"} ");
  REQUIRE(decoded.ok());
  CHECK(decoded->sigla() == "BSI034");
  CHECK(decoded->nome() == "pé");
  CHECK(decoded->vagas() == 30);
}

TEST_CASE("a malformed record is an error that says what is wrong") {
  for (const char* bad :
       {"", "{", "null", "[]", "\"x\"", "{}", R"({"sigla":"a","nome":"b"})",
        R"({"sigla":1,"nome":"b","vagas":1})", R"({"sigla":"a","nome":"b","vagas":"1"})",
        R"({"sigla":"a","nome":"b","vagas":-1})", R"({"sigla":"a","nome":"b","vagas":1.5})",
        R"({"sigla":"a","nome":"b","vagas":2147483648})", "{\"sigla\":\"\xff\"}",
        R"({"sigla":"\ud800","nome":"b","vagas":1})"}) {
    INFO(bad);
    const auto decoded = DecodeDisciplina(bad);
    CHECK(decoded.status().code() == base::Code::kDataLoss);
    CHECK(decoded.status().message().find("malformed record: ") == 0);
  }
  const std::string deep(200'000, '[');
  CHECK_FALSE(DecodeAluno(deep).ok());
  const std::string nested =
      "{\"x\":" + deep + std::string(200'000, ']') + ",\"matricula\":\"a\",\"nome\":\"b\"}";
  CHECK(DecodeAluno(nested).ok());
}

TEST_CASE("times are RFC 3339 in UTC with milliseconds") {
  CHECK(FormatTime(0) == "1970-01-01T00:00:00.000Z");
  CHECK(FormatTime(1'769'860'800'007) == "2026-01-31T12:00:00.007Z");
}

}  // namespace
}  // namespace matricula::domain
