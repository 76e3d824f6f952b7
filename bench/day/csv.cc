#include "bench/day/csv.h"

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

namespace matricula::day {
namespace {

// RFC 4180 §2: quoted if it must be, quotes doubled.
std::string Quoted(std::string_view field) {
  if (field.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(field);
  std::string quoted = "\"";
  for (const char c : field) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

// A file of lines; errors are kept until the end.
class Lines {
 public:
  Lines(const std::string& directory, std::string_view name, std::string_view header)
      : path_(std::filesystem::path(directory) / name), out_(path_) {
    out_ << header << '\n';
  }
  template <class... Fields>
  void Add(const Fields&... fields) {
    std::string line;
    ((line += Quoted(fmt::format("{}", fields)) + ','), ...);
    line.back() = '\n';
    out_ << line;
  }
  base::Status Finish() {
    out_.close();
    if (out_.good()) return base::OkStatus();
    return {base::Code::kUnavailable, fmt::format("cannot write {}", path_.string())};
  }

 private:
  std::filesystem::path path_;
  std::ofstream out_;
};

base::Status WriteClasses(const Campus& campus, const std::string& directory) {
  Lines classes(directory, "disciplinas.csv", "sigla,nome,vagas");
  Lines teaching(directory, "docentes.csv", "sigla,siape");
  for (const Turma& turma : campus.turmas) {
    classes.Add(turma.sigla, turma.nome, turma.vagas);
    teaching.Add(turma.sigla, campus.professores[turma.professor].siape);
  }
  RETURN_IF_ERROR(classes.Finish());
  return teaching.Finish();
}

base::Status WriteWishes(const Campus& campus, const Plan& plan, const std::string& directory) {
  Lines lines(directory, "wishes.csv",
              "momento_ms,matricula,ordem,sigla,duplicado,paciencia_us,desiste_apos_ms");
  int order = 0;
  for (const Wish& wish : plan.wishes) {
    lines.Add(wish.at_ms, campus.alunos[wish.aluno].matricula, order + 1,
              campus.turmas[wish.turma].sigla, wish.duplicate ? 1 : 0, wish.patience_us,
              wish.drop_after_ms);
    order = (order + 1) % kWishesPerStudent;
  }
  return lines.Finish();
}

}  // namespace

base::Status WriteCsv(const Campus& campus, const Plan& plan, const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return {base::Code::kUnavailable,
            fmt::format("cannot make {}: {}", directory, error.message())};
  }
  Lines students(directory, "alunos.csv", "matricula,nome");
  for (const Aluno& aluno : campus.alunos) students.Add(aluno.matricula, aluno.nome);
  RETURN_IF_ERROR(students.Finish());
  Lines teachers(directory, "professores.csv", "siape,nome");
  for (const Professor& professor : campus.professores) {
    teachers.Add(professor.siape, professor.nome);
  }
  RETURN_IF_ERROR(teachers.Finish());
  RETURN_IF_ERROR(WriteClasses(campus, directory));
  return WriteWishes(campus, plan, directory);
}

}  // namespace matricula::day
