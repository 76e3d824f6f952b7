#include "common/domain/records.h"

#include <charconv>
#include <ctime>
#include <limits>
#include <optional>

#include <nlohmann/json.hpp>

namespace matricula::domain {
namespace {

using nlohmann::json;

// Text whose every byte may stand in a JSON string as it is: all but controls, quote, backslash.
size_t PlainLength(std::string_view text) {
  size_t length = 0;
  while (length < text.size()) {
    const auto c = static_cast<unsigned char>(text[length]);
    if (c < 0x20 || c == '"' || c == '\\') break;
    ++length;
  }
  return length;
}

void AppendString(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  while (true) {
    const size_t plain = PlainLength(text);
    out += text.substr(0, plain);
    if (plain == text.size()) break;
    const auto c = static_cast<unsigned char>(text[plain]);
    if (c < 0x20) {
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += '\\';
      out += text[plain];
    }
    text.remove_prefix(plain + 1);
  }
  out += '"';
}

// Writes one record field by field, in the order of the calls.
class ObjectWriter {
 public:
  explicit ObjectWriter(size_t text_bytes) { out_.reserve(text_bytes + 64); }

  ObjectWriter& Text(std::string_view name, std::string_view value) {
    Name(name);
    AppendString(out_, value);
    return *this;
  }
  ObjectWriter& Number(std::string_view name, int32_t value) {
    Name(name);
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out_.append(digits, end);
    return *this;
  }
  std::string Take() {
    out_ += '}';
    return std::move(out_);
  }

 private:
  void Name(std::string_view name) {
    out_ += out_.empty() ? '{' : ',';
    out_ += '"';
    out_ += name;
    out_ += "\":";
  }

  std::string out_;
};

// Reads fields; remembers the first one that was not as it should be.
class ObjectReader {
 public:
  explicit ObjectReader(std::string_view text)
      : object_(json::parse(text.begin(), text.end(), nullptr, false)) {
    if (!object_.is_object()) problem_ = "not a JSON object";
  }

  std::string Text(const char* name) {
    const json* field = Find(name);
    if (field == nullptr) return {};
    if (!field->is_string()) {
      problem_ = std::string(name) + " is not a text";
      return {};
    }
    return field->get_ref<const std::string&>();
  }

  int32_t Number(const char* name) {
    const json* field = Find(name);
    if (field == nullptr) return 0;
    if (field->is_number_unsigned()) {
      const auto value = field->get<uint64_t>();
      if (value <= std::numeric_limits<int32_t>::max()) return static_cast<int32_t>(value);
    }
    problem_ = std::string(name) + " is not a count";
    return 0;
  }

  template <class T>
  base::Result<T> Finish(T record) {
    if (problem_) return base::Status(base::Code::kDataLoss, "malformed record: " + *problem_);
    return record;
  }

 private:
  const json* Find(const char* name) {
    if (problem_) return nullptr;
    const auto field = object_.find(name);
    if (field == object_.end()) {
      problem_ = std::string(name) + " is missing";
      return nullptr;
    }
    return &*field;
  }

  json object_;
  std::optional<std::string> problem_;
};

}  // namespace

std::string EncodeAluno(const project::Aluno& aluno) {
  return ObjectWriter(aluno.matricula().size() + aluno.nome().size())
      .Text("matricula", aluno.matricula())
      .Text("nome", aluno.nome())
      .Take();
}

std::string EncodeProfessor(const project::Professor& professor) {
  return ObjectWriter(professor.siape().size() + professor.nome().size())
      .Text("siape", professor.siape())
      .Text("nome", professor.nome())
      .Take();
}

std::string EncodeDisciplina(const project::Disciplina& disciplina) {
  return ObjectWriter(disciplina.sigla().size() + disciplina.nome().size())
      .Text("sigla", disciplina.sigla())
      .Text("nome", disciplina.nome())
      .Number("vagas", disciplina.vagas())
      .Take();
}

std::string EncodeTurma(const Turma& turma) {
  return ObjectWriter(turma.professor.size())
      .Text("professor", turma.professor)
      .Number("ocupadas", turma.ocupadas)
      .Take();
}

std::string EncodeMatricula(std::string_view disciplina, std::string_view id_pessoa,
                            std::string_view em) {
  return ObjectWriter(disciplina.size() + id_pessoa.size() + em.size())
      .Text("disciplina", disciplina)
      .Text("idPessoa", id_pessoa)
      .Text("em", em)
      .Take();
}

std::string EncodePedido(std::string_view op) {
  return ObjectWriter(op.size()).Text("op", op).Take();
}

std::string EncodeMudanca(std::string_view token) {
  return ObjectWriter(token.size()).Text("por", token).Take();
}

std::string EncodeRemocao(std::string_view id) {
  return ObjectWriter(id.size()).Text("id", id).Take();
}

base::Result<project::Aluno> DecodeAluno(std::string_view json) {
  ObjectReader reader(json);
  project::Aluno aluno;
  aluno.set_matricula(reader.Text("matricula"));
  aluno.set_nome(reader.Text("nome"));
  return reader.Finish(std::move(aluno));
}

base::Result<project::Professor> DecodeProfessor(std::string_view json) {
  ObjectReader reader(json);
  project::Professor professor;
  professor.set_siape(reader.Text("siape"));
  professor.set_nome(reader.Text("nome"));
  return reader.Finish(std::move(professor));
}

base::Result<project::Disciplina> DecodeDisciplina(std::string_view json) {
  ObjectReader reader(json);
  project::Disciplina disciplina;
  disciplina.set_sigla(reader.Text("sigla"));
  disciplina.set_nome(reader.Text("nome"));
  disciplina.set_vagas(reader.Number("vagas"));
  return reader.Finish(std::move(disciplina));
}

base::Result<Turma> DecodeTurma(std::string_view json) {
  ObjectReader reader(json);
  Turma turma;
  turma.professor = reader.Text("professor");
  turma.ocupadas = reader.Number("ocupadas");
  return reader.Finish(std::move(turma));
}

base::Result<Matricula> DecodeMatricula(std::string_view json) {
  ObjectReader reader(json);
  Matricula matricula;
  matricula.disciplina = reader.Text("disciplina");
  matricula.id_pessoa = reader.Text("idPessoa");
  matricula.em = reader.Text("em");
  return reader.Finish(std::move(matricula));
}

base::Result<std::string> DecodePedido(std::string_view json) {
  ObjectReader reader(json);
  return reader.Finish(reader.Text("op"));
}

base::Result<std::string> DecodeMudanca(std::string_view json) {
  ObjectReader reader(json);
  return reader.Finish(reader.Text("por"));
}

base::Result<std::string> DecodeRemocao(std::string_view json) {
  ObjectReader reader(json);
  return reader.Finish(reader.Text("id"));
}

std::string FormatTime(int64_t wall_ms) {
  const std::time_t seconds = wall_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  const int milliseconds = static_cast<int>(wall_ms % 1000);
  std::string out(text, length);
  out += '.';
  out += static_cast<char>('0' + milliseconds / 100);
  out += static_cast<char>('0' + milliseconds / 10 % 10);
  out += static_cast<char>('0' + milliseconds % 10);
  out += 'Z';
  return out;
}

}  // namespace matricula::domain
