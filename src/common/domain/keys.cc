#include "common/domain/keys.h"

namespace matricula::domain {
namespace {

std::string OnePart(std::string_view prefix, std::string_view id) {
  std::string key;
  key.reserve(prefix.size() + id.size());
  key += prefix;
  AppendEncodedId(key, id);
  return key;
}

std::string TwoParts(std::string_view prefix, std::string_view first, std::string_view second) {
  std::string key;
  key.reserve(prefix.size() + first.size() + 1 + second.size());
  key += prefix;
  AppendEncodedId(key, first);
  key += '/';
  AppendEncodedId(key, second);
  return key;
}

std::string OnePartPrefix(std::string_view prefix, std::string_view id) {
  std::string key = OnePart(prefix, id);
  key += '/';
  return key;
}

}  // namespace

std::string AlunoKey(std::string_view matricula) { return OnePart(kAlunoPrefix, matricula); }
std::string ProfessorKey(std::string_view siape) { return OnePart(kProfessorPrefix, siape); }
std::string DisciplinaKey(std::string_view sigla) { return OnePart(kDisciplinaPrefix, sigla); }
std::string TurmaKey(std::string_view sigla) { return OnePart(kTurmaPrefix, sigla); }
std::string PedidoKey(std::string_view request_id) { return OnePart(kPedidoPrefix, request_id); }
std::string CercaKey(std::string_view token) { return OnePart(kCercaPrefix, token); }

std::string MatriculaKey(std::string_view sigla, std::string_view matricula) {
  return TwoParts(kMatriculaPrefix, sigla, matricula);
}
std::string AlunoTurmaKey(std::string_view matricula, std::string_view sigla) {
  return TwoParts(kAlunoTurmaPrefix, matricula, sigla);
}
std::string ProfessorTurmaKey(std::string_view siape, std::string_view sigla) {
  return TwoParts(kProfessorTurmaPrefix, siape, sigla);
}
std::string RemocaoKey(std::string_view kind, std::string_view id) {
  return TwoParts(kRemocaoPrefix, kind, id);
}

std::string RosterPrefix(std::string_view sigla) { return OnePartPrefix(kMatriculaPrefix, sigla); }
std::string AlunoTurmaPrefix(std::string_view matricula) {
  return OnePartPrefix(kAlunoTurmaPrefix, matricula);
}
std::string ProfessorTurmaPrefix(std::string_view siape) {
  return OnePartPrefix(kProfessorTurmaPrefix, siape);
}
std::string RemocaoKindPrefix(std::string_view kind) { return OnePartPrefix(kRemocaoPrefix, kind); }

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (end.empty()) return std::string(1, '\0');
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

void AppendEncodedId(std::string& out, std::string_view id) {
  if (id.find_first_of("/%") == std::string_view::npos) [[likely]] {
    out += id;
    return;
  }
  for (const char c : id) {
    if (c == '/') {
      out += "%2F";
    } else if (c == '%') {
      out += "%25";
    } else {
      out += c;
    }
  }
}

std::string EncodeId(std::string_view id) {
  std::string out;
  AppendEncodedId(out, id);
  return out;
}

std::optional<std::string> DecodeId(std::string_view part) {
  std::string id;
  id.reserve(part.size());
  while (!part.empty()) {
    const size_t plain = part.find_first_of("/%");
    id += part.substr(0, plain);
    if (plain == std::string_view::npos) break;
    part.remove_prefix(plain);
    const std::string_view escape = part.substr(0, 3);
    if (escape == "%2F") {
      id += '/';
    } else if (escape == "%25") {
      id += '%';
    } else {
      return std::nullopt;
    }
    part.remove_prefix(escape.size());
  }
  return id;
}

std::optional<std::string> IdOfKey(std::string_view key, std::string_view prefix) {
  if (!key.starts_with(prefix)) return std::nullopt;
  return DecodeId(key.substr(prefix.size()));
}

std::optional<TwoIds> IdsOfKey(std::string_view key, std::string_view prefix) {
  if (!key.starts_with(prefix)) return std::nullopt;
  key.remove_prefix(prefix.size());
  const size_t slash = key.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto first = DecodeId(key.substr(0, slash));
  auto second = DecodeId(key.substr(slash + 1));
  if (!first || !second) return std::nullopt;
  return TwoIds{std::move(*first), std::move(*second)};
}

}  // namespace matricula::domain
