// deps: matricula_domain
// Stored records come from whoever may write to the store. Whatever they are, decoding answers; and
// what it takes for a record is one that encodes to the same record again.
#include <cstdint>
#include <string_view>

#include "common/base/ensure.h"
#include "common/domain/records.h"

namespace {

using namespace matricula::domain;

template <class T, class Decode, class Encode, class Same>
void RoundTrip(std::string_view text, Decode decode, Encode encode, Same same) {
  const matricula::base::Result<T> first = decode(text);
  if (!first.ok()) return;
  const matricula::base::Result<T> second = decode(encode(*first));
  ENSURE(second.ok() && same(*first, *second), "a record survives its encoding");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto same_message = [](const auto& a, const auto& b) {
    return a.SerializeAsString() == b.SerializeAsString();
  };
  const auto equal = [](const auto& a, const auto& b) { return a == b; };
  RoundTrip<project::Aluno>(text, DecodeAluno, EncodeAluno, same_message);
  RoundTrip<project::Professor>(text, DecodeProfessor, EncodeProfessor, same_message);
  RoundTrip<project::Disciplina>(text, DecodeDisciplina, EncodeDisciplina, same_message);
  RoundTrip<Turma>(text, DecodeTurma, EncodeTurma, equal);
  const auto encode_matricula = [](const Matricula& matricula) {
    return EncodeMatricula(matricula.disciplina, matricula.id_pessoa, matricula.em);
  };
  RoundTrip<Matricula>(text, DecodeMatricula, encode_matricula, equal);
  RoundTrip<std::string>(text, DecodePedido, EncodePedido, equal);
  RoundTrip<std::string>(text, DecodeMudanca, EncodeMudanca, equal);
  RoundTrip<std::string>(text, DecodeRemocao, EncodeRemocao, equal);
  return 0;
}
