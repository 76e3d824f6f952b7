#include <catch2/catch.hpp>

#include <string>

#include "common/domain/rules.h"

namespace matricula::domain {
namespace {

TEST_CASE("characters are counted, not bytes") {
  CHECK(CountCharacters("") == 0u);
  CHECK(CountCharacters("abcd") == 4u);
  CHECK(CountCharacters("ação") == 4u);
  CHECK(CountCharacters("\xF0\x9F\x8E\x93") == 1u);
  CHECK(CountCharacters("\xF4\x8F\xBF\xBF") == 1u);
}

TEST_CASE("text that is not UTF-8 is told") {
  for (const char* bad :
       {"\x80", "\xC3", "\xC3\x28", "\xC0\xAF", "\xC1\xBF", "\xE0\x80\xAF", "\xE0\x9F\xBF",
        "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\xFF", "ok\xE2\x82"}) {
    INFO(bad);
    CHECK_FALSE(CountCharacters(bad));
    CHECK_FALSE(IsPossibleId(bad));
  }
}

TEST_CASE("control characters are found") {
  for (const std::string& bad : {std::string("a\0b", 3), std::string("a\x1f"), std::string("\x7f"),
                                 std::string("\xC2\x80"), std::string("x\xC2\x9F")}) {
    CHECK(HasControlCharacter(bad));
    CHECK_FALSE(IsPossibleId(bad));
  }
  for (const char* good : {"", "a b", "\xC2\xA0", "~", "ç", "\xF0\x9F\x8E\x93"}) {
    CHECK_FALSE(HasControlCharacter(good));
  }
}

TEST_CASE("a text is refused with one clear sentence") {
  const Rules rules;
  CHECK_FALSE(rules.CheckText("nome", "João"));
  CHECK_FALSE(rules.CheckText("nome", "/%,\"'"));
  CHECK_FALSE(rules.CheckText("nome", std::string(256, 'x')));
  CHECK(rules.CheckText("nome", "") == "nome deve ter pelo menos 4 caracteres");
  CHECK(rules.CheckText("nome", "Zé B") == std::nullopt);
  CHECK(rules.CheckText("nome", "éé") == "nome deve ter pelo menos 4 caracteres");
  CHECK(rules.CheckText("sigla", std::string(257, 'x')) == "sigla deve ter no máximo 256 bytes");
  CHECK(rules.CheckText("sigla", "abcd\xff") == "sigla não é texto UTF-8 válido");
  CHECK(rules.CheckText("sigla", "ab\ncd") == "sigla contém caractere de controle");
  CHECK_FALSE(Rules(1).CheckText("nome", "x"));
  CHECK(Rules(7).CheckText("nome", "abcdef") == "nome deve ter pelo menos 7 caracteres");
}

TEST_CASE("each field of a record is checked") {
  const Rules rules;
  project::Aluno aluno;
  aluno.set_matricula("123");
  aluno.set_nome("nome");
  CHECK(rules.Check(aluno) == "matrícula deve ter pelo menos 4 caracteres");
  aluno.set_matricula("1234");
  CHECK_FALSE(rules.Check(aluno));
  aluno.set_nome("n");
  CHECK(rules.Check(aluno) == "nome deve ter pelo menos 4 caracteres");

  project::Professor professor;
  professor.set_siape("12");
  professor.set_nome("nome");
  CHECK(rules.Check(professor) == "siape deve ter pelo menos 4 caracteres");
  professor.set_siape("1234");
  CHECK_FALSE(rules.Check(professor));

  project::Disciplina disciplina;
  disciplina.set_sigla("GSI010");
  disciplina.set_nome("prolog");
  for (const int vagas : {0, -1, -2147483647}) {
    disciplina.set_vagas(vagas);
    CHECK(rules.Check(disciplina) == recusa::kVagasInvalidas);
  }
  disciplina.set_vagas(1);
  CHECK_FALSE(rules.Check(disciplina));
  disciplina.set_nome("");
  CHECK(rules.Check(disciplina) == "nome deve ter pelo menos 4 caracteres");
}

TEST_CASE("identifiers that no record can have") {
  CHECK(IsPossibleId("x"));
  CHECK(IsPossibleId(std::string(256, 'x')));
  CHECK_FALSE(IsPossibleId(""));
  CHECK_FALSE(IsPossibleId(std::string(257, 'x')));
}

TEST_CASE("request ids are short printable ASCII") {
  CHECK(IsValidRequestId(""));
  CHECK(IsValidRequestId("3f2b a-~!/%"));
  CHECK(IsValidRequestId(std::string(64, 'x')));
  CHECK_FALSE(IsValidRequestId(std::string(65, 'x')));
  CHECK_FALSE(IsValidRequestId("é"));
  CHECK_FALSE(IsValidRequestId("a\n"));
  CHECK_FALSE(IsValidRequestId("\x7f"));
}

TEST_CASE("answers") {
  CHECK(Feito().status() == 0);
  CHECK(Feito().msg().empty());
  CHECK(Recusa("porque sim").status() == 1);
  CHECK(Recusa("porque sim").msg() == "porque sim");
}

}  // namespace
}  // namespace matricula::domain
