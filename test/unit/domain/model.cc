#include "model.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace matricula::domain {
namespace {

using nlohmann::json;

std::vector<std::string> Split(const std::string& key) {
  std::vector<std::string> parts;
  size_t from = 0;
  while (true) {
    const size_t slash = key.find('/', from);
    parts.push_back(key.substr(from, slash - from));
    if (slash == std::string::npos) return parts;
    from = slash + 1;
  }
}

void DecodeOne(const std::vector<std::string>& key, const json& value, Model* model) {
  if (key[0] == "aluno") model->alunos[key[1]] = value.at("nome");
  if (key[0] == "professor") model->professores[key[1]] = value.at("nome");
  if (key[0] == "disciplina") {
    model->disciplinas[key[1]] = {value.at("nome"), value.at("vagas")};
  }
  if (key[0] == "turma") {
    model->ocupadas[key[1]] = value.at("ocupadas");
    if (value.at("professor") != "") model->docentes[key[1]] = value.at("professor");
  }
  if (key[0] == "matricula") model->matriculas.emplace(key[1], key[2]);
  if (key[0] == "remocao") model->removals.insert(key[1] + "/" + key[2]);
}

class Problems {
 public:
  Problems(const Model& model, std::vector<std::string>* out) : model_(model), out_(out) {}

  void CheckSeats() {
    for (const auto& [sigla, disciplina] : model_.disciplinas) {
      const int enrolled = model_.CountEnrolled(sigla);
      Expect(enrolled <= disciplina.vagas, sigla + " sold too many seats");
      const auto turma = model_.ocupadas.find(sigla);
      Expect(turma != model_.ocupadas.end() && turma->second == enrolled, sigla + " miscounts");
    }
    for (const auto& [sigla, ocupadas] : model_.ocupadas) {
      Expect(model_.disciplinas.contains(sigla) || Going("disciplina", sigla),
             sigla + " is a class without discipline");
    }
    for (const auto& [sigla, matricula] : model_.matriculas) {
      Expect(model_.disciplinas.contains(sigla) || Going("disciplina", sigla),
             sigla + " has a roster without discipline");
      Expect(model_.alunos.contains(matricula) || Going("aluno", matricula),
             matricula + " is enrolled without record");
    }
    for (const auto& [sigla, siape] : model_.docentes) {
      Expect(model_.professores.contains(siape) || Going("professor", siape),
             siape + " teaches without record");
    }
  }

  void CheckIndex(const std::set<std::pair<std::string, std::string>>& alunos,
                  const std::set<std::pair<std::string, std::string>>& professores) {
    std::set<std::pair<std::string, std::string>> expected;
    for (const auto& [sigla, matricula] : model_.matriculas) expected.emplace(matricula, sigla);
    Expect(expected == alunos, "the students' index does not mirror");
    expected.clear();
    for (const auto& [sigla, siape] : model_.docentes) expected.emplace(siape, sigla);
    Expect(expected == professores, "the teachers' index does not mirror");
  }

 private:
  bool Going(const std::string& kind, const std::string& id) {
    return model_.removals.contains(kind + "/" + id);
  }
  void Expect(bool good, const std::string& what) {
    if (!good) out_->push_back(what);
  }

  const Model& model_;
  std::vector<std::string>* out_;
};

std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
  return text;
}

std::string TurmaText(const Model& model, const std::string& sigla) {
  const auto& disciplina = model.disciplinas.at(sigla);
  const std::string siape = model.ProfessorOf(sigla);
  return sigla + " " + disciplina.nome + " " + std::to_string(disciplina.vagas) + " [" +
         (siape.empty() ? "" : siape + " " + model.professores.at(siape)) + "]";
}

std::string RelatorioText(const Model& model, const std::string& sigla) {
  if (!model.disciplinas.contains(sigla)) return "";
  std::vector<std::string> alunos;
  for (const auto& [other, matricula] : model.matriculas) {
    if (other != sigla || !model.Shows(sigla, matricula)) continue;
    alunos.push_back(matricula + " " + model.alunos.at(matricula));
  }
  return TurmaText(model, sigla) + " {" + Join(alunos) + "}";
}

std::string ResumoText(const Model& model, const std::string& sigla) {
  const auto shown = [&](const auto& pair) {
    return pair.first == sigla && model.Shows(sigla, pair.second);
  };
  return TurmaText(model, sigla) + " " +
         std::to_string(std::count_if(model.matriculas.begin(), model.matriculas.end(), shown));
}

}  // namespace

int Model::CountEnrolled(const std::string& sigla) const {
  return static_cast<int>(std::count_if(matriculas.begin(), matriculas.end(),
                                        [&](const auto& pair) { return pair.first == sigla; }));
}

bool Model::Shows(const std::string& sigla, const std::string& matricula) const {
  return disciplinas.contains(sigla) && alunos.contains(matricula) &&
         matriculas.contains({sigla, matricula});
}

std::string Model::ProfessorOf(const std::string& sigla) const {
  const auto found = docentes.find(sigla);
  return found == docentes.end() || !professores.contains(found->second) ? "" : found->second;
}

Model Decode(const std::map<std::string, mvccpb::KeyValue>& state,
             std::vector<std::string>* problems) {
  Model model;
  std::set<std::pair<std::string, std::string>> alunos;
  std::set<std::pair<std::string, std::string>> professores;
  for (const auto& [key, pair] : state) {
    const auto parts = Split(key);
    DecodeOne(parts, json::parse(pair.value()), &model);
    if (parts[0] == "aluno-turma") alunos.emplace(parts[1], parts[2]);
    if (parts[0] == "professor-turma") professores.emplace(parts[1], parts[2]);
  }
  Problems check(model, problems);
  check.CheckSeats();
  check.CheckIndex(alunos, professores);
  return model;
}

std::string ToString(const Request& request) {
  return request.name + "(" + Join(request.arguments) + ")";
}

std::string Refusal(const Model& model, const Request& request) {
  const std::string& name = request.name;
  const std::string& first = request.arguments[0];
  const bool turma = name.ends_with("Turma");
  if (name == "NovoAluno") return model.alunos.contains(first) ? "aluno já cadastrado" : "";
  if (name == "NovoProfessor") {
    return model.professores.contains(first) ? "professor já cadastrado" : "";
  }
  if (name == "NovaDisciplina") {
    return model.disciplinas.contains(first) ? "disciplina já cadastrada" : "";
  }
  if (!turma && name.ends_with("Aluno")) {
    return model.alunos.contains(first) ? "" : "aluno não encontrado";
  }
  if (!turma && name.ends_with("Professor")) {
    return model.professores.contains(first) ? "" : "professor não encontrado";
  }
  if (!model.disciplinas.contains(first)) return "disciplina não encontrada";
  if (name == "EditaDisciplina") {
    return std::stoi(request.arguments[2]) < model.CountEnrolled(first)
               ? "há mais alunos matriculados do que as novas vagas"
               : "";
  }
  if (!turma) return "";
  const std::string& second = request.arguments[1];
  if (name == "AdicionaProfessorTurma" || name == "RemoveProfessorTurma") {
    if (!model.professores.contains(second)) return "professor não encontrado";
    const std::string professor = model.ProfessorOf(first);
    if (name == "AdicionaProfessorTurma") {
      return professor.empty() ? "" : "a disciplina já tem professor";
    }
    return professor == second ? "" : "o professor não leciona a disciplina";
  }
  if (!model.alunos.contains(second)) return "aluno não encontrado";
  const bool enrolled = model.matriculas.contains({first, second});
  if (name == "RemoveAlunoTurma") {
    return enrolled ? "" : "aluno não está matriculado na disciplina";
  }
  if (enrolled) return "aluno já matriculado na disciplina";
  const bool full = model.CountEnrolled(first) >= model.disciplinas.at(first).vagas;
  return full ? "não há vagas na disciplina" : "";
}

std::string ReadAnswer(const Model& model, const Request& request) {
  const std::string& id = request.arguments[0];
  std::vector<std::string> lines;
  if (request.name == "ObtemAluno") {
    return model.alunos.contains(id) ? id + " " + model.alunos.at(id) : " ";
  }
  if (request.name == "ObtemTodosAlunos") {
    for (const auto& [matricula, nome] : model.alunos) lines.push_back(matricula + " " + nome);
  }
  if (request.name == "DetalhaDisciplina") return RelatorioText(model, id);
  if (request.name == "ObtemDisciplinasProfessor" && model.professores.contains(id)) {
    for (const auto& [sigla, siape] : model.docentes) {
      if (siape == id && model.disciplinas.contains(sigla)) {
        lines.push_back(RelatorioText(model, sigla));
      }
    }
  }
  if (request.name == "ObtemDisciplinasAluno") {
    for (const auto& [sigla, matricula] : model.matriculas) {
      if (matricula == id && model.Shows(sigla, id)) lines.push_back(ResumoText(model, sigla));
    }
  }
  return Join(lines);
}

std::vector<Request> Changes(const Model& before, const Model& after,
                             const std::vector<mvccpb::Event>& events) {
  std::vector<Request> changes;
  for (const auto& event : events) {
    const auto key = Split(event.kv().key());
    const bool gone = event.type() == mvccpb::Event::DELETE;
    const auto record = [&](const std::string& kind, bool was_there) {
      Request& request = changes.emplace_back();
      const std::string novo = kind == "Disciplina" ? "Nova" : "Novo";
      request.name = (gone ? "Remove" : was_there ? "Edita" : novo) + kind;
      request.arguments = {key[1]};
      if (!gone) {
        const json value = json::parse(event.kv().value());
        request.arguments.push_back(value.at("nome"));
        if (kind == "Disciplina") {
          request.arguments.push_back(std::to_string(value.at("vagas").get<int>()));
        }
      }
    };
    if (key[0] == "aluno") record("Aluno", before.alunos.contains(key[1]));
    if (key[0] == "professor") record("Professor", before.professores.contains(key[1]));
    if (key[0] == "disciplina") record("Disciplina", before.disciplinas.contains(key[1]));
    if (key[0] != "matricula" && key[0] != "professor-turma") continue;
    const bool enrollment = key[0] == "matricula";
    const std::string& sigla = enrollment ? key[1] : key[2];
    const std::string& person = enrollment ? key[2] : key[1];
    const bool person_stays =
        enrollment ? after.alunos.contains(person) : after.professores.contains(person);
    if (gone && !(person_stays && after.disciplinas.contains(sigla))) continue;
    const std::string verb = gone ? "Remove" : "Adiciona";
    changes.push_back({verb + (enrollment ? "AlunoTurma" : "ProfessorTurma"), {sigla, person}});
  }
  return changes;
}

std::string Text(const project::Aluno& aluno) { return aluno.matricula() + " " + aluno.nome(); }

namespace {

template <class T>
std::string HeadText(const T& message) {
  const auto& disciplina = message.disciplina();
  const auto& professor = message.professor();
  return disciplina.sigla() + " " + disciplina.nome() + " " + std::to_string(disciplina.vagas()) +
         " [" + (message.has_professor() ? professor.siape() + " " + professor.nome() : "") + "]";
}

}  // namespace

std::string Text(const project::RelatorioDisciplina& report) {
  if (!report.has_disciplina()) return "";
  std::vector<std::string> alunos;
  for (const auto& aluno : report.alunos()) alunos.push_back(Text(aluno));
  return HeadText(report) + " {" + Join(alunos) + "}";
}

std::string Text(const project::ResumoDisciplina& resumo) {
  return HeadText(resumo) + " " + std::to_string(resumo.totalalunos());
}

}  // namespace matricula::domain
