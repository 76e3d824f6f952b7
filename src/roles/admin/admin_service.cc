#include "roles/admin/admin_service.h"

#include <utility>

#include "common/domain/domain.h"
#include "roles/requests.h"

namespace matricula::roles {

AdminService::AdminService(const Surroundings& surroundings)
    : cadastro_(surroundings.domain->cadastro()) {
  rpc::Server& server = *surroundings.portals;
  server.Unary("project.PortalAdministrativo/NovoAluno", this, &AdminService::NovoAluno);
  server.Unary("project.PortalAdministrativo/EditaAluno", this, &AdminService::EditaAluno);
  server.Unary("project.PortalAdministrativo/RemoveAluno", this, &AdminService::RemoveAluno);
  server.Unary("project.PortalAdministrativo/ObtemAluno", this, &AdminService::ObtemAluno);
  server.ServerStream("project.PortalAdministrativo/ObtemTodosAlunos", this,
                      &AdminService::ObtemTodosAlunos);
  server.Unary("project.PortalAdministrativo/NovoProfessor", this, &AdminService::NovoProfessor);
  server.Unary("project.PortalAdministrativo/EditaProfessor", this, &AdminService::EditaProfessor);
  server.Unary("project.PortalAdministrativo/RemoveProfessor", this,
               &AdminService::RemoveProfessor);
  server.Unary("project.PortalAdministrativo/ObtemProfessor", this, &AdminService::ObtemProfessor);
  server.ServerStream("project.PortalAdministrativo/ObtemTodosProfessores", this,
                      &AdminService::ObtemTodosProfessores);
  server.Unary("project.PortalAdministrativo/NovaDisciplina", this, &AdminService::NovaDisciplina);
  server.Unary("project.PortalAdministrativo/EditaDisciplina", this,
               &AdminService::EditaDisciplina);
  server.Unary("project.PortalAdministrativo/RemoveDisciplina", this,
               &AdminService::RemoveDisciplina);
  server.Unary("project.PortalAdministrativo/ObtemDisciplina", this,
               &AdminService::ObtemDisciplina);
  server.ServerStream("project.PortalAdministrativo/ObtemTodasDisciplinas", this,
                      &AdminService::ObtemTodasDisciplinas);
}

void AdminService::NovoAluno(project::Aluno& aluno, Context context, Status reply) {
  cadastro_.NovoAluno(aluno, RequestId(context), Answering(std::move(reply)));
}

void AdminService::EditaAluno(project::Aluno& aluno, Context context, Status reply) {
  cadastro_.EditaAluno(aluno, RequestId(context), Answering(std::move(reply)));
}

void AdminService::RemoveAluno(project::Identificador& id, Context context, Status reply) {
  cadastro_.RemoveAluno(std::move(*id.mutable_id()), RequestId(context),
                        Answering(std::move(reply)));
}

void AdminService::ObtemAluno(project::Identificador& id, Context,
                              rpc::Responder<project::Aluno> reply) {
  cadastro_.ObtemAluno(id.id(), Answering(std::move(reply)));
}

void AdminService::ObtemTodosAlunos(project::Vazia&, Context,
                                    rpc::StreamWriter<project::Aluno> writer) {
  StreamPages<project::Aluno>(cadastro_.ObtemTodosAlunos(), std::move(writer));
}

void AdminService::NovoProfessor(project::Professor& professor, Context context, Status reply) {
  cadastro_.NovoProfessor(professor, RequestId(context), Answering(std::move(reply)));
}

void AdminService::EditaProfessor(project::Professor& professor, Context context, Status reply) {
  cadastro_.EditaProfessor(professor, RequestId(context), Answering(std::move(reply)));
}

void AdminService::RemoveProfessor(project::Identificador& id, Context context, Status reply) {
  cadastro_.RemoveProfessor(std::move(*id.mutable_id()), RequestId(context),
                            Answering(std::move(reply)));
}

void AdminService::ObtemProfessor(project::Identificador& id, Context,
                                  rpc::Responder<project::Professor> reply) {
  cadastro_.ObtemProfessor(id.id(), Answering(std::move(reply)));
}

void AdminService::ObtemTodosProfessores(project::Vazia&, Context,
                                         rpc::StreamWriter<project::Professor> writer) {
  StreamPages<project::Professor>(cadastro_.ObtemTodosProfessores(), std::move(writer));
}

void AdminService::NovaDisciplina(project::Disciplina& disciplina, Context context, Status reply) {
  cadastro_.NovaDisciplina(disciplina, RequestId(context), Answering(std::move(reply)));
}

void AdminService::EditaDisciplina(project::Disciplina& disciplina, Context context, Status reply) {
  cadastro_.EditaDisciplina(std::move(disciplina), RequestId(context), Answering(std::move(reply)));
}

void AdminService::RemoveDisciplina(project::Identificador& id, Context context, Status reply) {
  cadastro_.RemoveDisciplina(std::move(*id.mutable_id()), RequestId(context),
                             Answering(std::move(reply)));
}

void AdminService::ObtemDisciplina(project::Identificador& id, Context,
                                   rpc::Responder<project::Disciplina> reply) {
  cadastro_.ObtemDisciplina(id.id(), Answering(std::move(reply)));
}

void AdminService::ObtemTodasDisciplinas(project::Vazia&, Context,
                                         rpc::StreamWriter<project::Disciplina> writer) {
  StreamPages<project::Disciplina>(cadastro_.ObtemTodasDisciplinas(), std::move(writer));
}

}  // namespace matricula::roles
