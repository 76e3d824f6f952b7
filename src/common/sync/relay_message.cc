#include "common/sync/relay_message.h"

#include <charconv>

#include "common/domain/keys.h"
#include "common/sync/bus_event.h"
#include "common/sync/relay_keys.h"

namespace matricula::sync {
namespace {

template <class Integer>
bool ParseWhole(std::string_view text, Integer& number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return !text.empty() && error == std::errc() && stop == end && number >= 0;
}

}  // namespace

std::optional<Place> PlaceOf(const mqtt::Message& message, std::string_view cluster) {
  Place place;
  bool ours = false;
  for (const auto& [name, value] : message.user_properties) {
    if (name == kClusterProperty) ours = value == cluster;
    if (name == kRevProperty && !ParseWhole(value, place.rev)) return std::nullopt;
    if (name == kPrevProperty && !ParseWhole(value, place.prev)) return std::nullopt;
    if (name != kPartProperty) continue;
    const std::string_view text = value;
    const size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    if (!ParseWhole(text.substr(0, slash), place.part)) return std::nullopt;
    if (!ParseWhole(text.substr(slash + 1), place.parts)) return std::nullopt;
  }
  if (!ours || place.rev == 0 || place.part < 1 || place.part > place.parts) return std::nullopt;
  return place;
}

std::optional<std::string> RecordKeyOf(const mqtt::Message& message) {
  const auto event = ParseMessage(message.topic, message.payload);
  if (!event.ok()) return std::nullopt;
  if (const auto* aluno = std::get_if<AlunoEvent>(&*event)) {
    return domain::AlunoKey(aluno->record.matricula());
  }
  if (const auto* professor = std::get_if<ProfessorEvent>(&*event)) {
    return domain::ProfessorKey(professor->record.siape());
  }
  if (const auto* disciplina = std::get_if<DisciplinaEvent>(&*event)) {
    return domain::DisciplinaKey(disciplina->record.sigla());
  }
  return std::nullopt;
}

}  // namespace matricula::sync
