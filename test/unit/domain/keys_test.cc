#include <catch2/catch.hpp>

#include <random>
#include <string>

#include "common/domain/keys.h"

namespace matricula::domain {
namespace {

TEST_CASE("keys follow the schema") {
  CHECK(AlunoKey("11921BSI209") == "aluno/11921BSI209");
  CHECK(ProfessorKey("1034") == "professor/1034");
  CHECK(DisciplinaKey("GSI010") == "disciplina/GSI010");
  CHECK(TurmaKey("GSI010") == "turma/GSI010");
  CHECK(MatriculaKey("GSI010", "11921BSI209") == "matricula/GSI010/11921BSI209");
  CHECK(AlunoTurmaKey("11921BSI209", "GSI010") == "aluno-turma/11921BSI209/GSI010");
  CHECK(ProfessorTurmaKey("1034", "GSI010") == "professor-turma/1034/GSI010");
  CHECK(PedidoKey("a b/c") == "pedido/a b%2Fc");
  CHECK(CercaKey("f00-1") == "cerca/f00-1");
  CHECK(RemocaoKey(kKindAluno, "1/2") == "remocao/aluno/1%2F2");
  CHECK(RosterPrefix("A/B") == "matricula/A%2FB/");
  CHECK(AlunoTurmaPrefix("x") == "aluno-turma/x/");
  CHECK(ProfessorTurmaPrefix("x") == "professor-turma/x/");
  CHECK(RemocaoKindPrefix(kKindDisciplina) == "remocao/disciplina/");
}

TEST_CASE("slash and percent are encoded and nothing else is") {
  CHECK(EncodeId("a/b%c") == "a%2Fb%25c");
  CHECK(EncodeId("%2F") == "%252F");
  CHECK(EncodeId("João, \"Zé\" 'x' \xF0\x9F\x8E\x93") == "João, \"Zé\" 'x' \xF0\x9F\x8E\x93");
  CHECK(EncodeId("") == "");
}

TEST_CASE("decoding takes the one spelling of each identifier only") {
  CHECK(DecodeId("a%2Fb%25c") == "a/b%c");
  CHECK(DecodeId("") == "");
  for (const char* bad : {"/", "a/b", "%", "%2", "%2f", "%41", "%%", "a%2"}) {
    INFO(bad);
    CHECK_FALSE(DecodeId(bad));
  }
}

TEST_CASE("any identifier survives its key") {
  std::mt19937 random(20260131);
  const std::string alphabet = "/%25Fab\xC3\xA9";
  for (int i = 0; i < 2'000; ++i) {
    std::string first;
    std::string second;
    for (auto n = random() % 6; n > 0; --n) first += alphabet[random() % alphabet.size()];
    for (auto n = random() % 6; n > 0; --n) second += alphabet[random() % alphabet.size()];
    INFO(first << " and " << second);
    CHECK(DecodeId(EncodeId(first)) == first);
    CHECK(IdOfKey(AlunoKey(first), kAlunoPrefix) == first);
    CHECK(IdsOfKey(MatriculaKey(first, second), kMatriculaPrefix) == TwoIds{first, second});
  }
}

TEST_CASE("a key is taken apart only behind its own prefix") {
  CHECK_FALSE(IdOfKey("professor/1", kAlunoPrefix));
  CHECK_FALSE(IdOfKey("aluno/a/b", kAlunoPrefix));
  CHECK_FALSE(IdsOfKey("matricula/a", kMatriculaPrefix));
  CHECK_FALSE(IdsOfKey("matricula/a/b/c", kMatriculaPrefix));
  CHECK_FALSE(IdsOfKey("matricula/a/%", kMatriculaPrefix));
}

TEST_CASE("a prefix ends before the first key that has it not") {
  CHECK(PrefixEnd("aluno/") == "aluno0");
  CHECK(PrefixEnd("a\xff") == "b");
  CHECK(PrefixEnd("\xff\xff") == std::string(1, '\0'));
  CHECK(PrefixEnd("") == std::string(1, '\0'));
  // The rosters of GSI01 and GSI010 are apart.
  CHECK(MatriculaKey("GSI010", "x") >= PrefixEnd(RosterPrefix("GSI01")));
}

}  // namespace
}  // namespace matricula::domain
