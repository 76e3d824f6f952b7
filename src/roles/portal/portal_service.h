#pragma once

#include "common/domain/domain.h"
#include "common/rpc/server.h"
#include "matricula.pb.h"
#include "roles/role.h"

namespace matricula::roles {

// project.PortalMatricula: who teaches what, who is enrolled where, reports. A handler unpacks,
// calls the domain and replies; the rules are the domain's.
class PortalService final : public Role {
 public:
  explicit PortalService(const Surroundings& surroundings);

 private:
  using Status = rpc::Responder<project::Status>;
  using Context = const rpc::CallContext&;

  void AdicionaProfessor(project::DisciplinaPessoa& par, Context context, Status reply);
  void RemoveProfessor(project::DisciplinaPessoa& par, Context context, Status reply);
  void AdicionaAluno(project::DisciplinaPessoa& par, Context context, Status reply);
  void RemoveAluno(project::DisciplinaPessoa& par, Context context, Status reply);

  void DetalhaDisciplina(project::Identificador& id, Context context,
                         rpc::Responder<project::RelatorioDisciplina> reply);
  void ObtemDisciplinasProfessor(project::Identificador& id, Context context,
                                 rpc::StreamWriter<project::RelatorioDisciplina> writer);
  void ObtemDisciplinasAluno(project::Identificador& id, Context context,
                             rpc::StreamWriter<project::ResumoDisciplina> writer);

  domain::Docentes& docentes_;
  domain::TurmaQueue& turmas_;
  domain::Reports& reports_;
};

}  // namespace matricula::roles
