#pragma once

#include "common/domain/cadastro.h"
#include "common/rpc/server.h"
#include "matricula.pb.h"
#include "roles/role.h"

namespace matricula::roles {

// project.PortalAdministrativo: the records of students, professors and disciplines. A handler
// unpacks, calls the domain and replies; the rules are the domain's.
class AdminService final : public Role {
 public:
  explicit AdminService(const Surroundings& surroundings);

 private:
  using Status = rpc::Responder<project::Status>;
  using Context = const rpc::CallContext&;

  void NovoAluno(project::Aluno& aluno, Context context, Status reply);
  void EditaAluno(project::Aluno& aluno, Context context, Status reply);
  void RemoveAluno(project::Identificador& id, Context context, Status reply);
  void ObtemAluno(project::Identificador& id, Context context,
                  rpc::Responder<project::Aluno> reply);
  void ObtemTodosAlunos(project::Vazia& nothing, Context context,
                        rpc::StreamWriter<project::Aluno> writer);

  void NovoProfessor(project::Professor& professor, Context context, Status reply);
  void EditaProfessor(project::Professor& professor, Context context, Status reply);
  void RemoveProfessor(project::Identificador& id, Context context, Status reply);
  void ObtemProfessor(project::Identificador& id, Context context,
                      rpc::Responder<project::Professor> reply);
  void ObtemTodosProfessores(project::Vazia& nothing, Context context,
                             rpc::StreamWriter<project::Professor> writer);

  void NovaDisciplina(project::Disciplina& disciplina, Context context, Status reply);
  void EditaDisciplina(project::Disciplina& disciplina, Context context, Status reply);
  void RemoveDisciplina(project::Identificador& id, Context context, Status reply);
  void ObtemDisciplina(project::Identificador& id, Context context,
                       rpc::Responder<project::Disciplina> reply);
  void ObtemTodasDisciplinas(project::Vazia& nothing, Context context,
                             rpc::StreamWriter<project::Disciplina> writer);

  domain::Cadastro& cadastro_;
};

}  // namespace matricula::roles
