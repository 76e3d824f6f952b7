#include "requests.h"

#include <memory>
#include <utility>
#include <vector>

namespace matricula::domain {
namespace {

template <class T>
base::Done<T> TextOf(base::Done<std::string> done) {
  return [done = std::move(done)](base::Result<T> result) mutable {
    if (!result.ok()) return std::move(done)(result.status());
    std::move(done)(Text(*result));
  };
}

template <class T>
void Pull(std::shared_ptr<Cursor<T>> cursor, std::string so_far, base::Done<std::string> done) {
  Cursor<T>& pulled = *cursor;
  pulled.NextPage([cursor = std::move(cursor), so_far = std::move(so_far),
                   done = std::move(done)](base::Result<std::vector<T>> page) mutable {
    if (!page.ok()) return std::move(done)(page.status());
    if (page->empty()) return std::move(done)(std::move(so_far));
    for (const T& item : *page) so_far += (so_far.empty() ? "" : "; ") + Text(item);
    Pull<T>(std::move(cursor), std::move(so_far), std::move(done));
  });
}

}  // namespace

Request RequestDraw::First(int number) {
  if (number < sizes_.alunos) return {"NovoAluno", {"alu" + std::to_string(number + 1), Nome()}};
  const int disciplina = number - sizes_.alunos + 1;
  return {"NovaDisciplina", {"dis" + std::to_string(disciplina), Nome(), Vagas()}};
}

Request RequestDraw::Draw(int admin_percent) {
  return random_(1, 100) <= admin_percent ? DrawAdmin() : DrawPortal();
}

Request RequestDraw::DrawAdmin() {
  switch (random_(1, 11)) {
    case 1:
    case 2:
      return {"NovoAluno", {Aluno(), Nome()}};
    case 3:
      return {"EditaAluno", {Aluno(), Nome()}};
    case 4:
      return {"RemoveAluno", {Aluno()}};
    case 5:
      return {"NovoProfessor", {Professor(), Nome()}};
    case 6:
      return {"EditaProfessor", {Professor(), Nome()}};
    case 7:
      return {"RemoveProfessor", {Professor()}};
    case 8:
    case 9:
      return {"NovaDisciplina", {Disciplina(), Nome(), Vagas()}};
    case 10:
      return {"EditaDisciplina", {Disciplina(), Nome(), Vagas()}};
    default:
      return {"RemoveDisciplina", {Disciplina()}};
  }
}

Request RequestDraw::DrawPortal() {
  const int64_t draw = random_(1, 100);
  if (draw <= 50) return {"AdicionaAlunoTurma", {Disciplina(), Aluno()}};
  if (draw <= 75) return {"RemoveAlunoTurma", {Disciplina(), Aluno()}};
  if (draw <= 80) return {"AdicionaProfessorTurma", {Disciplina(), Professor()}};
  if (draw <= 85) return {"RemoveProfessorTurma", {Disciplina(), Professor()}};
  if (draw <= 88) return {"ObtemAluno", {Aluno()}};
  if (draw <= 90) return {"ObtemTodosAlunos", {""}};
  if (draw <= 94) return {"DetalhaDisciplina", {Disciplina()}};
  if (draw <= 97) return {"ObtemDisciplinasAluno", {Aluno()}};
  return {"ObtemDisciplinasProfessor", {Professor()}};
}

bool IsRead(const Request& request) {
  return request.name.starts_with("Obtem") || request.name.starts_with("Detalha");
}

void Dispatch(Server& server, const Request& request, const std::string& id, Answer done) {
  const auto& name = request.name;
  const auto& a = request.arguments;
  auto& cadastro = server.cadastro;
  if (name == "NovoAluno") return cadastro.NovoAluno(MakeAluno(a[0], a[1]), id, std::move(done));
  if (name == "EditaAluno") return cadastro.EditaAluno(MakeAluno(a[0], a[1]), id, std::move(done));
  if (name == "RemoveAluno") return cadastro.RemoveAluno(a[0], id, std::move(done));
  if (name == "NovoProfessor") {
    return cadastro.NovoProfessor(MakeProfessor(a[0], a[1]), id, std::move(done));
  }
  if (name == "EditaProfessor") {
    return cadastro.EditaProfessor(MakeProfessor(a[0], a[1]), id, std::move(done));
  }
  if (name == "RemoveProfessor") return cadastro.RemoveProfessor(a[0], id, std::move(done));
  if (name == "RemoveDisciplina") return cadastro.RemoveDisciplina(a[0], id, std::move(done));
  if (name.ends_with("Disciplina")) {
    auto disciplina = MakeDisciplina(a[0], a[1], std::stoi(a[2]));
    if (name[0] == 'N') return cadastro.NovaDisciplina(disciplina, id, std::move(done));
    return cadastro.EditaDisciplina(disciplina, id, std::move(done));
  }
  const auto par = Par(a[0], a[1]);
  if (name == "AdicionaAlunoTurma") return server.turmas.AdicionaAluno(par, id, std::move(done));
  if (name == "RemoveAlunoTurma") return server.turmas.RemoveAluno(par, id, std::move(done));
  if (name == "AdicionaProfessorTurma") {
    return server.docentes.AdicionaProfessor(par, id, std::move(done));
  }
  server.docentes.RemoveProfessor(par, id, std::move(done));
}

void DispatchRead(Server& server, const Request& request, base::Done<std::string> done) {
  const std::string& id = request.arguments[0];
  if (request.name == "ObtemAluno") {
    return server.cadastro.ObtemAluno(id, TextOf<project::Aluno>(std::move(done)));
  }
  if (request.name == "DetalhaDisciplina") {
    return server.reports.DetalhaDisciplina(id,
                                            TextOf<project::RelatorioDisciplina>(std::move(done)));
  }
  if (request.name == "ObtemTodosAlunos") {
    return Pull<project::Aluno>(server.cadastro.ObtemTodosAlunos(), "", std::move(done));
  }
  if (request.name == "ObtemDisciplinasAluno") {
    return Pull<project::ResumoDisciplina>(server.reports.ObtemDisciplinasAluno(id), "",
                                           std::move(done));
  }
  Pull<project::RelatorioDisciplina>(server.reports.ObtemDisciplinasProfessor(id), "",
                                     std::move(done));
}

}  // namespace matricula::domain
