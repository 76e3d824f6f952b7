#include "common/sync/bus_event.h"

#include <charconv>
#include <limits>
#include <type_traits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace matricula::sync {
namespace {

using base::Code;
using base::Result;
using base::Status;
using Json = nlohmann::ordered_json;
using project::Aluno;
using project::Disciplina;
using project::DisciplinaPessoa;
using project::Professor;

std::string_view ActionName(Action action) {
  switch (action) {
    case Action::kCreate:
      return "create";
    case Action::kUpdate:
      return "update";
    case Action::kDelete:
      return "delete";
  }
  return "";
}

// ---- what the kinds of record differ in ----

struct AlunoTraits {
  using Record = Aluno;
  static constexpr std::string_view kKind = "aluno";
  static constexpr std::string_view kKeyField = "matricula";
  static constexpr bool kHasVagas = false;
  static std::string* Key(Record& record) { return record.mutable_matricula(); }
};
struct ProfessorTraits {
  using Record = Professor;
  static constexpr std::string_view kKind = "professor";
  static constexpr std::string_view kKeyField = "siape";
  static constexpr bool kHasVagas = false;
  static std::string* Key(Record& record) { return record.mutable_siape(); }
};
struct DisciplinaTraits {
  using Record = Disciplina;
  static constexpr std::string_view kKind = "disciplina";
  static constexpr std::string_view kKeyField = "sigla";
  static constexpr bool kHasVagas = true;
  static std::string* Key(Record& record) { return record.mutable_sigla(); }
};

template <class Record>
using TraitsOf = std::conditional_t<
    std::is_same_v<Record, Aluno>, AlunoTraits,
    std::conditional_t<std::is_same_v<Record, Professor>, ProfessorTraits, DisciplinaTraits>>;

// ---- rendering ----

// Bytes that are no UTF-8 cannot be in a record; should they be, they must not end the process.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <class Record>
std::string RenderTopic(const RecordEvent<Record>& event) {
  return fmt::format("portal/admin/{}/{}", TraitsOf<Record>::kKind, ActionName(event.action));
}

std::string RenderTopic(const MatriculaEvent& event) {
  const bool aluno = event.who == MatriculaEvent::Who::kAluno;
  return fmt::format("portal/mat/{}/{}", aluno ? "aluno" : "professor",
                     event.added ? "add" : "del");
}

template <class Record>
std::string RenderPayload(const RecordEvent<Record>& event) {
  using Traits = TraitsOf<Record>;
  Record record = event.record;
  Json json;
  json[std::string(Traits::kKeyField)] = *Traits::Key(record);
  if (event.action == Action::kDelete) return Dump(json);
  json["nome"] = record.nome();
  if constexpr (Traits::kHasVagas) json["vagas"] = record.vagas();
  return Dump(json);
}

std::string RenderPayload(const MatriculaEvent& event) {
  Json json;
  json["disciplina"] = event.par.disciplina();
  json["idPessoa"] = event.par.idpessoa();
  if (event.vagas) json["vagas"] = *event.vagas;
  return Dump(json);
}

// ---- parsing ----

Status Malformed(std::string_view reason) { return {Code::kInvalidArgument, std::string(reason)}; }

// A payload in either form: fields by name, or the comma form's one text.
class Fields {
 public:
  static Result<Fields> Parse(std::string_view payload) {
    Fields fields;
    if (!payload.starts_with('{')) {
      fields.text_ = payload;
      return fields;
    }
    fields.json_ = Json::parse(payload, nullptr, false);
    if (!fields.json_.is_object()) return Malformed("malformed JSON");
    return fields;
  }

  bool is_json() const { return json_.is_object(); }
  const std::string& text() const { return text_; }

  Result<std::string> Text(std::string_view name) const {
    const auto found = json_.find(name);
    if (found == json_.end() || !found->is_string()) {
      return Malformed(fmt::format("the field {} is missing or no text", name));
    }
    return found->get<std::string>();
  }

  Result<int> Number(std::string_view name) const {
    const auto found = json_.find(name);
    if (found == json_.end() || !found->is_number_integer()) {
      return Malformed(fmt::format("the field {} is missing or no whole number", name));
    }
    const auto number = found->get<int64_t>();
    if (number < std::numeric_limits<int>::min() || number > std::numeric_limits<int>::max()) {
      return Malformed(fmt::format("the field {} is out of range", name));
    }
    return static_cast<int>(number);
  }

 private:
  Json json_;
  std::string text_;
};

Result<int> ParseNumber(std::string_view text) {
  int number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || stop != end) return Malformed("vagas is no number");
  return number;
}

template <class Record>
Result<Record> FromJson(const Fields& fields, Action action) {
  using Traits = TraitsOf<Record>;
  Record record;
  auto key = fields.Text(Traits::kKeyField);
  RETURN_IF_ERROR(key.status());
  *Traits::Key(record) = *std::move(key);
  if (action == Action::kDelete) return record;
  auto nome = fields.Text("nome");
  RETURN_IF_ERROR(nome.status());
  record.set_nome(*std::move(nome));
  if constexpr (Traits::kHasVagas) {
    const auto vagas = fields.Number("vagas");
    RETURN_IF_ERROR(vagas.status());
    record.set_vagas(*vagas);
  }
  return record;
}

template <class Record>
Result<Record> FromCommas(std::string_view text, Action action) {
  using Traits = TraitsOf<Record>;
  Record record;
  const size_t comma = text.find(',');
  *Traits::Key(record) = text.substr(0, comma);
  if (action == Action::kDelete) {
    if (comma != std::string_view::npos) return Malformed("delete takes a lone key");
    return record;
  }
  if (comma == std::string_view::npos) return Malformed("the name is missing");
  std::string_view nome = text.substr(comma + 1);
  if constexpr (Traits::kHasVagas) {
    const size_t last = nome.rfind(',');
    if (last == std::string_view::npos) return Malformed("vagas is missing");
    const auto vagas = ParseNumber(nome.substr(last + 1));
    RETURN_IF_ERROR(vagas.status());
    record.set_vagas(*vagas);
    nome = nome.substr(0, last);
  }
  record.set_nome(std::string(nome));
  return record;
}

template <class Record>
Result<BusEvent> ParseRecord(Action action, const Fields& fields) {
  auto record = fields.is_json() ? FromJson<Record>(fields, action)
                                 : FromCommas<Record>(fields.text(), action);
  RETURN_IF_ERROR(record.status());
  return BusEvent(RecordEvent<Record>{action, *std::move(record)});
}

Result<DisciplinaPessoa> ParsePair(const Fields& fields) {
  DisciplinaPessoa par;
  if (fields.is_json()) {
    auto disciplina = fields.Text("disciplina");
    RETURN_IF_ERROR(disciplina.status());
    auto pessoa = fields.Text("idPessoa");
    RETURN_IF_ERROR(pessoa.status());
    par.set_disciplina(*std::move(disciplina));
    par.set_idpessoa(*std::move(pessoa));
    return par;
  }
  const std::string& text = fields.text();
  const size_t comma = text.find(',');
  if (comma == std::string::npos) return Malformed("a discipline and a person are wanted");
  par.set_disciplina(text.substr(0, comma));
  par.set_idpessoa(text.substr(comma + 1));
  return par;
}

Result<BusEvent> ParsePairEvent(MatriculaEvent::Who who, bool added, const Fields& fields) {
  auto par = ParsePair(fields);
  RETURN_IF_ERROR(par.status());
  return BusEvent(MatriculaEvent{who, added, *std::move(par), std::nullopt});
}

std::optional<Action> ActionNamed(std::string_view name) {
  for (const Action action : {Action::kCreate, Action::kUpdate, Action::kDelete}) {
    if (name == ActionName(action)) return action;
  }
  return std::nullopt;
}

Status NoTopicOfOurs() { return {Code::kNotFound, "no topic of ours"}; }

Result<BusEvent> ParseAdmin(std::string_view kind, std::string_view action_name,
                            const Fields& fields) {
  const auto action = ActionNamed(action_name);
  if (!action) return NoTopicOfOurs();
  if (kind == "aluno") return ParseRecord<Aluno>(*action, fields);
  if (kind == "professor") return ParseRecord<Professor>(*action, fields);
  if (kind == "disciplina") return ParseRecord<Disciplina>(*action, fields);
  return NoTopicOfOurs();
}

Result<BusEvent> ParseMat(std::string_view kind, std::string_view action, const Fields& fields) {
  if (action != "add" && action != "del") return NoTopicOfOurs();
  using Who = MatriculaEvent::Who;
  if (kind == "aluno") return ParsePairEvent(Who::kAluno, action == "add", fields);
  if (kind == "professor") return ParsePairEvent(Who::kProfessor, action == "add", fields);
  return NoTopicOfOurs();
}

}  // namespace

std::string TopicOf(const BusEvent& event) {
  return std::visit([](const auto& kind) { return RenderTopic(kind); }, event);
}

std::string PayloadOf(const BusEvent& event) {
  return std::visit([](const auto& kind) { return RenderPayload(kind); }, event);
}

Result<BusEvent> ParseMessage(std::string_view topic, std::string_view payload) {
  constexpr std::string_view kAdmin = "portal/admin/";
  constexpr std::string_view kMat = "portal/mat/";
  const bool admin = topic.starts_with(kAdmin);
  if (!admin && !topic.starts_with(kMat)) return NoTopicOfOurs();
  const std::string_view rest = topic.substr(admin ? kAdmin.size() : kMat.size());
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return NoTopicOfOurs();
  const auto fields = Fields::Parse(payload);
  RETURN_IF_ERROR(fields.status());
  const std::string_view kind = rest.substr(0, slash);
  const std::string_view action = rest.substr(slash + 1);
  return admin ? ParseAdmin(kind, action, *fields) : ParseMat(kind, action, *fields);
}

}  // namespace matricula::sync
