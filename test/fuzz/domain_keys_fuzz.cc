// deps: matricula_domain
// Keys read from the store are taken apart, and only those that the schema would make are taken for
// one of its own; and any two texts make a key that gives them back.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/ensure.h"
#include "common/domain/keys.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace matricula::domain;
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  if (const auto id = DecodeId(text)) {
    ENSURE(EncodeId(*id) == text, "an identifier has one spelling");
  }
  for (const std::string_view prefix : {kAlunoPrefix, kMatriculaPrefix, kRemocaoPrefix}) {
    if (const auto id = IdOfKey(text, prefix)) {
      ENSURE(std::string(prefix) + EncodeId(*id) == text, "a key has one spelling");
    }
    if (const auto ids = IdsOfKey(text, prefix)) {
      ENSURE(std::string(prefix) + EncodeId(ids->first) + "/" + EncodeId(ids->second) == text,
             "a key has one spelling");
    }
  }

  const std::string_view first = text.substr(0, size / 2);
  const std::string_view second = text.substr(size / 2);
  ENSURE(DecodeId(EncodeId(text)) == text, "an identifier survives its encoding");
  const auto ids = IdsOfKey(MatriculaKey(first, second), kMatriculaPrefix);
  ENSURE(ids && ids->first == first && ids->second == second, "a key gives back what made it");
  const std::string prefix = RosterPrefix(first);
  const std::string key = MatriculaKey(first, second);
  ENSURE(key >= prefix && key < PrefixEnd(prefix), "a key lies in the range of its prefix");
  return 0;
}
