// deps: matricula_domain
// The rules judge whatever a client sends; what they let through survives its JSON.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/ensure.h"
#include "common/domain/records.h"
#include "common/domain/rules.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace matricula::domain;
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  const auto characters = CountCharacters(text);
  ENSURE(!characters || *characters <= size, "no character is shorter than a byte");
  ENSURE(!characters || *characters * 4 >= size, "no character is longer than four bytes");
  if (!characters) ENSURE(!IsPossibleId(text), "an identifier is UTF-8");
  IsValidRequestId(text);

  if (!Rules(1).CheckText("nome", text)) {
    ENSURE(IsPossibleId(text), "what may be created can be found");
    project::Aluno aluno;
    aluno.set_matricula(std::string(text));
    aluno.set_nome(std::string(text));
    const auto decoded = DecodeAluno(EncodeAluno(aluno));
    ENSURE(decoded.ok() && decoded->nome() == text, "what may be created survives its record");
  }
  return 0;
}
