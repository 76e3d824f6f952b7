#include "common/domain/rules.h"

#include <cstdint>

namespace matricula::domain {
namespace {

// Reads one code point from the front of `text`, or nothing if that is not UTF-8 (RFC 3629,
// section 3).
std::optional<uint32_t> TakeCodePoint(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) {
    text.remove_prefix(1);
    return lead;
  }
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return std::nullopt;
  uint32_t point = lead & (0x7fU >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return std::nullopt;
    point = point << 6 | (next & 0x3f);
  }
  constexpr uint32_t kLeastOfLength[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  if (point < kLeastOfLength[length] || point > 0x10ffff || surrogate) return std::nullopt;
  text.remove_prefix(length);
  return point;
}

std::string Sentence(std::string_view field, std::string_view rest) {
  std::string text(field);
  text += ' ';
  text += rest;
  return text;
}

}  // namespace

project::Status Feito() { return {}; }

project::Status Recusa(std::string_view reason) {
  project::Status status;
  status.set_status(1);
  status.set_msg(std::string(reason));
  return status;
}

std::optional<size_t> CountCharacters(std::string_view text) {
  size_t characters = 0;
  while (!text.empty()) {
    if (!TakeCodePoint(text)) return std::nullopt;
    ++characters;
  }
  return characters;
}

bool HasControlCharacter(std::string_view text) {
  while (!text.empty()) {
    const auto point = TakeCodePoint(text);
    if (!point || *point < 0x20 || (*point >= 0x7f && *point <= 0x9f)) return true;
  }
  return false;
}

bool IsPossibleId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxTextBytes && CountCharacters(id) &&
         !HasControlCharacter(id);
}

bool IsValidRequestId(std::string_view request_id) {
  if (request_id.size() > kMaxRequestIdBytes) return false;
  for (const char c : request_id) {
    if (c < 0x20 || c > 0x7e) return false;
  }
  return true;
}

std::optional<std::string> Rules::CheckText(std::string_view field, std::string_view text) const {
  // The length first, so that nothing long is looked at more closely.
  if (text.size() > kMaxTextBytes) {
    return Sentence(field, "deve ter no máximo " + std::to_string(kMaxTextBytes) + " bytes");
  }
  const auto characters = CountCharacters(text);
  if (!characters) return Sentence(field, "não é texto UTF-8 válido");
  if (HasControlCharacter(text)) return Sentence(field, "contém caractere de controle");
  if (*characters < static_cast<size_t>(min_length_)) {
    return Sentence(field, "deve ter pelo menos " + std::to_string(min_length_) + " caracteres");
  }
  return std::nullopt;
}

std::optional<std::string> Rules::Check(const project::Aluno& aluno) const {
  if (auto reason = CheckText("matrícula", aluno.matricula())) return reason;
  return CheckText("nome", aluno.nome());
}

std::optional<std::string> Rules::Check(const project::Professor& professor) const {
  if (auto reason = CheckText("siape", professor.siape())) return reason;
  return CheckText("nome", professor.nome());
}

std::optional<std::string> Rules::Check(const project::Disciplina& disciplina) const {
  if (auto reason = CheckText("sigla", disciplina.sigla())) return reason;
  if (auto reason = CheckText("nome", disciplina.nome())) return reason;
  if (disciplina.vagas() < 1) return std::string(recusa::kVagasInvalidas);
  return std::nullopt;
}

}  // namespace matricula::domain
