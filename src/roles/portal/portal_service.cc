#include "roles/portal/portal_service.h"

#include <utility>

#include "roles/requests.h"

namespace matricula::roles {

PortalService::PortalService(const Surroundings& surroundings)
    : docentes_(surroundings.domain->docentes()),
      turmas_(surroundings.domain->turmas()),
      reports_(surroundings.domain->reports()) {
  rpc::Server& server = *surroundings.portals;
  server.Unary("project.PortalMatricula/AdicionaProfessor", this,
               &PortalService::AdicionaProfessor);
  server.Unary("project.PortalMatricula/RemoveProfessor", this, &PortalService::RemoveProfessor);
  server.Unary("project.PortalMatricula/AdicionaAluno", this, &PortalService::AdicionaAluno);
  server.Unary("project.PortalMatricula/RemoveAluno", this, &PortalService::RemoveAluno);
  server.Unary("project.PortalMatricula/DetalhaDisciplina", this,
               &PortalService::DetalhaDisciplina);
  server.ServerStream("project.PortalMatricula/ObtemDisciplinasProfessor", this,
                      &PortalService::ObtemDisciplinasProfessor);
  server.ServerStream("project.PortalMatricula/ObtemDisciplinasAluno", this,
                      &PortalService::ObtemDisciplinasAluno);
}

void PortalService::AdicionaProfessor(project::DisciplinaPessoa& par, Context context,
                                      Status reply) {
  docentes_.AdicionaProfessor(std::move(par), RequestId(context), Answering(std::move(reply)));
}

void PortalService::RemoveProfessor(project::DisciplinaPessoa& par, Context context, Status reply) {
  docentes_.RemoveProfessor(std::move(par), RequestId(context), Answering(std::move(reply)));
}

void PortalService::AdicionaAluno(project::DisciplinaPessoa& par, Context context, Status reply) {
  turmas_.AdicionaAluno(std::move(par), RequestId(context), Answering(std::move(reply)));
}

void PortalService::RemoveAluno(project::DisciplinaPessoa& par, Context context, Status reply) {
  turmas_.RemoveAluno(std::move(par), RequestId(context), Answering(std::move(reply)));
}

void PortalService::DetalhaDisciplina(project::Identificador& id, Context,
                                      rpc::Responder<project::RelatorioDisciplina> reply) {
  reports_.DetalhaDisciplina(std::move(*id.mutable_id()), Answering(std::move(reply)));
}

void PortalService::ObtemDisciplinasProfessor(
    project::Identificador& id, Context, rpc::StreamWriter<project::RelatorioDisciplina> writer) {
  StreamPages<project::RelatorioDisciplina>(reports_.ObtemDisciplinasProfessor(id.id()),
                                            std::move(writer));
}

void PortalService::ObtemDisciplinasAluno(project::Identificador& id, Context,
                                          rpc::StreamWriter<project::ResumoDisciplina> writer) {
  StreamPages<project::ResumoDisciplina>(reports_.ObtemDisciplinasAluno(id.id()),
                                         std::move(writer));
}

}  // namespace matricula::roles
