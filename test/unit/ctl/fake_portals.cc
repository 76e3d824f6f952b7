#include "test/unit/ctl/fake_portals.h"

#include "common/base/ensure.h"

namespace matricula::ctl {

using base::MutexLock;
using grpc::ServerContext;
using grpc::Status;
using project::DisciplinaPessoa;
using project::Identificador;
using project::Vazia;
template <class Message>
using Writer = grpc::ServerWriter<Message>;

class FakePortals::Admin final : public project::PortalAdministrativo::Service {
 public:
  explicit Admin(FakePortals& fake) : fake_(fake) {}

  Status NovoAluno(ServerContext* context, const project::Aluno* request,
                   project::Status* answer) override {
    return fake_.Write(context, answer, [&](State& state) -> std::string {
      const bool is_new = state.alunos.emplace(request->matricula(), request->nome()).second;
      return is_new ? "" : "aluno já cadastrado";
    });
  }
  Status EditaAluno(ServerContext* context, const project::Aluno* request,
                    project::Status* answer) override {
    return fake_.Write(context, answer, [&](State& state) -> std::string {
      const auto found = state.alunos.find(request->matricula());
      if (found == state.alunos.end()) return "aluno não encontrado";
      found->second = request->nome();
      return "";
    });
  }
  Status RemoveAluno(ServerContext* context, const Identificador* request,
                     project::Status* answer) override {
    return fake_.Write(context, answer, [&](State& state) -> std::string {
      return state.alunos.erase(request->id()) == 1 ? "" : "aluno não encontrado";
    });
  }
  Status ObtemAluno(ServerContext*, const Identificador* request, project::Aluno* answer) override {
    const MutexLock lock(fake_.mutex_);
    const auto found = fake_.state_.alunos.find(request->id());
    if (found != fake_.state_.alunos.end()) Fill(*found, answer);
    return Status::OK;
  }
  Status ObtemTodosAlunos(ServerContext*, const Vazia*, Writer<project::Aluno>* writer) override {
    const MutexLock lock(fake_.mutex_);
    for (const auto& entry : fake_.state_.alunos) {
      project::Aluno aluno;
      Fill(entry, &aluno);
      writer->Write(aluno);
    }
    return Status::OK;
  }

  Status NovoProfessor(ServerContext* context, const project::Professor* request,
                       project::Status* answer) override {
    return fake_.Write(context, answer, [&](State& state) -> std::string {
      const bool is_new = state.professores.emplace(request->siape(), request->nome()).second;
      return is_new ? "" : "professor já cadastrado";
    });
  }
  Status ObtemTodosProfessores(ServerContext*, const Vazia*,
                               Writer<project::Professor>* writer) override {
    const MutexLock lock(fake_.mutex_);
    for (const auto& [siape, nome] : fake_.state_.professores) {
      project::Professor professor;
      professor.set_siape(siape);
      professor.set_nome(nome);
      writer->Write(professor);
    }
    return Status::OK;
  }

  Status NovaDisciplina(ServerContext* context, const project::Disciplina* request,
                        project::Status* answer) override {
    return fake_.Write(context, answer, [&](State& state) -> std::string {
      const Turma turma = {request->nome(), request->vagas(), "", {}};
      return state.turmas.emplace(request->sigla(), turma).second ? "" : "disciplina já cadastrada";
    });
  }
  Status ObtemTodasDisciplinas(ServerContext*, const Vazia*,
                               Writer<project::Disciplina>* writer) override {
    const MutexLock lock(fake_.mutex_);
    for (const auto& [sigla, turma] : fake_.state_.turmas) {
      project::Disciplina disciplina;
      disciplina.set_sigla(sigla);
      disciplina.set_nome(turma.nome);
      disciplina.set_vagas(turma.vagas);
      writer->Write(disciplina);
    }
    return Status::OK;
  }

 private:
  static void Fill(const std::pair<const std::string, std::string>& entry, project::Aluno* aluno) {
    aluno->set_matricula(entry.first);
    aluno->set_nome(entry.second);
  }

  FakePortals& fake_;
};

class FakePortals::Portal final : public project::PortalMatricula::Service {
 public:
  explicit Portal(FakePortals& fake) : fake_(fake) {}

  Status AdicionaProfessor(ServerContext* context, const DisciplinaPessoa* request,
                           project::Status* answer) override {
    return fake_.Write(context, answer, [&](State& state) -> std::string {
      const auto turma = state.turmas.find(request->disciplina());
      if (turma == state.turmas.end()) return "disciplina não encontrada";
      if (state.professores.count(request->idpessoa()) == 0) return "professor não encontrado";
      if (!turma->second.professor.empty()) return "a disciplina já tem professor";
      turma->second.professor = request->idpessoa();
      return "";
    });
  }
  Status AdicionaAluno(ServerContext* context, const DisciplinaPessoa* request,
                       project::Status* answer) override {
    return fake_.Write(context, answer, [&](State& state) -> std::string {
      const auto turma = state.turmas.find(request->disciplina());
      if (turma == state.turmas.end()) return "disciplina não encontrada";
      if (state.alunos.count(request->idpessoa()) == 0) return "aluno não encontrado";
      auto& [nome, vagas, professor, alunos] = turma->second;
      if (static_cast<int>(alunos.size()) >= vagas) return "não há vagas na disciplina";
      return alunos.insert(request->idpessoa()).second ? "" : "aluno já matriculado na disciplina";
    });
  }
  Status DetalhaDisciplina(ServerContext*, const Identificador* request,
                           project::RelatorioDisciplina* answer) override {
    const MutexLock lock(fake_.mutex_);
    const auto found = fake_.state_.turmas.find(request->id());
    if (found != fake_.state_.turmas.end()) Fill(fake_.state_, found->first, found->second, answer);
    return Status::OK;
  }
  Status ObtemDisciplinasProfessor(ServerContext*, const Identificador* request,
                                   Writer<project::RelatorioDisciplina>* writer) override {
    const MutexLock lock(fake_.mutex_);
    for (const auto& [sigla, turma] : fake_.state_.turmas) {
      if (turma.professor != request->id()) continue;
      project::RelatorioDisciplina report;
      Fill(fake_.state_, sigla, turma, &report);
      writer->Write(report);
    }
    return Status::OK;
  }
  Status ObtemDisciplinasAluno(ServerContext*, const Identificador* request,
                               Writer<project::ResumoDisciplina>* writer) override {
    const MutexLock lock(fake_.mutex_);
    for (const auto& [sigla, turma] : fake_.state_.turmas) {
      if (turma.alunos.count(request->id()) == 0) continue;
      project::RelatorioDisciplina report;
      Fill(fake_.state_, sigla, turma, &report);
      project::ResumoDisciplina resumo;
      *resumo.mutable_disciplina() = report.disciplina();
      if (report.has_professor()) *resumo.mutable_professor() = report.professor();
      resumo.set_totalalunos(report.alunos_size());
      writer->Write(resumo);
    }
    return Status::OK;
  }

 private:
  static void Fill(State& state, const std::string& sigla, const Turma& turma,
                   project::RelatorioDisciplina* report) {
    report->mutable_disciplina()->set_sigla(sigla);
    report->mutable_disciplina()->set_nome(turma.nome);
    report->mutable_disciplina()->set_vagas(turma.vagas);
    if (!turma.professor.empty()) {
      report->mutable_professor()->set_siape(turma.professor);
      report->mutable_professor()->set_nome(state.professores[turma.professor]);
    }
    for (const std::string& matricula : turma.alunos) {
      project::Aluno& aluno = *report->add_alunos();
      aluno.set_matricula(matricula);
      aluno.set_nome(state.alunos[matricula]);
    }
  }

  FakePortals& fake_;
};

FakePortals::FakePortals()
    : admin_(std::make_unique<Admin>(*this)), portal_(std::make_unique<Portal>(*this)) {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(admin_.get());
  builder.RegisterService(portal_.get());
  server_ = builder.BuildAndStart();
  ENSURE(server_ != nullptr && port != 0, "the fake listens");
  address_ = "127.0.0.1:" + std::to_string(port);
}

FakePortals::~FakePortals() { server_->Shutdown(gpr_time_from_millis(1000, GPR_TIMESPAN)); }

grpc::Status FakePortals::Write(ServerContext* context, project::Status* answer,
                                const Effect& effect) {
  const auto& metadata = context->client_metadata();
  const auto found = metadata.find("x-request-id");
  const std::string id =
      found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
  const MutexLock lock(mutex_);
  Fault fault;
  if (!id.empty()) {
    state_.request_ids.push_back(id);
    if (state_.faults) fault = state_.faults(id, ++state_.attempts[id]);
    if (!fault.status.ok() && !fault.after_effect) return fault.status;
    if (state_.done_ids.count(id) == 1) return fault.status;
  }
  const std::string reason = effect(state_);
  answer->set_status(reason.empty() ? 0 : 1);
  answer->set_msg(reason);
  if (reason.empty() && !id.empty()) state_.done_ids.insert(id);
  return fault.status;
}

void FakePortals::SetFaults(std::function<Fault(const std::string&, int)> faults) {
  const MutexLock lock(mutex_);
  state_.faults = std::move(faults);
}

std::map<std::string, std::string> FakePortals::Alunos() {
  const MutexLock lock(mutex_);
  return state_.alunos;
}

std::set<std::pair<std::string, std::string>> FakePortals::Matriculas() {
  const MutexLock lock(mutex_);
  std::set<std::pair<std::string, std::string>> matriculas;
  for (const auto& [sigla, turma] : state_.turmas) {
    for (const std::string& aluno : turma.alunos) matriculas.emplace(sigla, aluno);
  }
  return matriculas;
}

std::vector<std::string> FakePortals::RequestIds() {
  const MutexLock lock(mutex_);
  return state_.request_ids;
}

}  // namespace matricula::ctl
