#include "test/unit/day/fake_portal.h"

#include <string_view>
#include <utility>

#include "common/base/ensure.h"
#include "common/domain/rules.h"

namespace matricula::day {
namespace {

namespace recusa = domain::recusa;

constexpr double kFaultShare = 0.05;
// Reports of a stale server are renewed every so many writes.
constexpr int64_t kStaleWrites = 50;
constexpr int64_t kLateWrites = 40;

void Refuse(std::string_view reason, project::Status* reply) {
  reply->set_status(1);
  reply->set_msg(std::string(reason));
}

std::string RequestId(const grpc::ServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("x-request-id");
  return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
}

const grpc::Status kUnavailable(grpc::StatusCode::UNAVAILABLE, "on purpose");

}  // namespace

class FakePortal::Admin final : public project::PortalAdministrativo::Service {
 public:
  explicit Admin(FakePortal& owner) : owner_(owner) {}

  grpc::Status NovoAluno(grpc::ServerContext*, const project::Aluno* aluno,
                         project::Status* reply) override {
    base::MutexLock lock(owner_.mutex_);
    if (!owner_.alunos_.emplace(aluno->matricula(), *aluno).second) {
      Refuse(recusa::kAlunoExiste, reply);
    }
    return grpc::Status::OK;
  }
  grpc::Status NovoProfessor(grpc::ServerContext*, const project::Professor* professor,
                             project::Status*) override {
    base::MutexLock lock(owner_.mutex_);
    owner_.professores_.emplace(professor->siape(), *professor);
    return grpc::Status::OK;
  }
  grpc::Status NovaDisciplina(grpc::ServerContext*, const project::Disciplina* disciplina,
                              project::Status*) override {
    base::MutexLock lock(owner_.mutex_);
    owner_.classes_[disciplina->sigla()].disciplina = *disciplina;
    return grpc::Status::OK;
  }

 private:
  FakePortal& owner_;
};

class FakePortal::Portal final : public project::PortalMatricula::Service {
 public:
  explicit Portal(FakePortal& owner) : owner_(owner) {}

  grpc::Status AdicionaProfessor(grpc::ServerContext*, const project::DisciplinaPessoa* pair,
                                 project::Status*) override {
    base::MutexLock lock(owner_.mutex_);
    owner_.classes_[pair->disciplina()].siape = pair->idpessoa();
    return grpc::Status::OK;
  }
  grpc::Status AdicionaAluno(grpc::ServerContext* context, const project::DisciplinaPessoa* pair,
                             project::Status* reply) override {
    return owner_.Enroll(RequestId(*context), *pair, reply);
  }
  grpc::Status RemoveAluno(grpc::ServerContext* context, const project::DisciplinaPessoa* pair,
                           project::Status* reply) override {
    return owner_.Drop(RequestId(*context), *pair, reply);
  }

  grpc::Status DetalhaDisciplina(grpc::ServerContext*, const project::Identificador* id,
                                 project::RelatorioDisciplina* reply) override {
    base::MutexLock lock(owner_.mutex_);
    const auto found = owner_.classes_.find(id->id());
    if (found == owner_.classes_.end()) return grpc::Status::OK;
    const Class& turma = found->second;
    *reply->mutable_disciplina() = turma.disciplina;
    *reply->mutable_professor() = owner_.professores_[turma.siape];
    const bool stale = owner_.fault_ == Fault::kStaleReports;
    for (const std::string& aluno : stale ? turma.old_roster : turma.roster) {
      *reply->add_alunos() = owner_.alunos_[aluno];
    }
    if (owner_.fault_ == Fault::kRepeatStudent && !turma.roster.empty() && owner_.Sometimes()) {
      *reply->add_alunos() = owner_.alunos_[*turma.roster.begin()];
    }
    return grpc::Status::OK;
  }

  grpc::Status ObtemDisciplinasAluno(grpc::ServerContext*, const project::Identificador* id,
                                     grpc::ServerWriter<project::ResumoDisciplina>* out) override {
    base::MutexLock lock(owner_.mutex_);
    for (const auto& [sigla, turma] : owner_.classes_) {
      if (!turma.roster.contains(id->id())) continue;
      if (owner_.fault_ == Fault::kWrongLists && owner_.Sometimes()) continue;
      project::ResumoDisciplina item;
      *item.mutable_disciplina() = turma.disciplina;
      *item.mutable_professor() = owner_.professores_[turma.siape];
      item.set_totalalunos(static_cast<int32_t>(turma.roster.size()));
      out->Write(item);
    }
    return grpc::Status::OK;
  }

 private:
  FakePortal& owner_;
};

FakePortal::FakePortal(Fault fault, uint64_t seed)
    : fault_(fault),
      random_(seed),
      admin_(std::make_unique<Admin>(*this)),
      portal_(std::make_unique<Portal>(*this)) {
  Start();
}

FakePortal::~FakePortal() { Stop(); }

void FakePortal::Start() {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(address_, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(admin_.get());
  builder.RegisterService(portal_.get());
  server_ = builder.BuildAndStart();
  ENSURE(server_ && port != 0, "the fake portal could not listen");
  address_ = "127.0.0.1:" + std::to_string(port);
}

void FakePortal::Stop() {
  if (!server_) return;
  server_->Shutdown(gpr_time_from_millis(0, GPR_TIMESPAN));
  server_->Wait();
  server_.reset();
}

bool FakePortal::Sometimes() { return random_.Chance(kFaultShare); }

// Decides about an enrollment, and does it.
void FakePortal::Judge(Class& turma, const std::string& aluno, project::Status* reply) {
  const auto vagas = static_cast<size_t>(turma.disciplina.vagas());
  const size_t limit = fault_ == Fault::kSellTwice        ? vagas + 1
                       : fault_ == Fault::kRefuseWithRoom ? vagas - 1
                                                          : vagas;
  if (turma.roster.contains(aluno)) {
    Refuse(recusa::kJaMatriculado, reply);
  } else if (turma.roster.size() >= limit) {
    Refuse(recusa::kSemVagas, reply);
    if (fault_ == Fault::kEnrollRefused && Sometimes()) turma.roster.insert(aluno);
  } else if (fault_ != Fault::kForgetEnroll || !Sometimes()) {
    turma.roster.insert(aluno);
  }
}

grpc::Status FakePortal::Enroll(const std::string& id, const project::DisciplinaPessoa& pair,
                                project::Status* reply) {
  base::MutexLock lock(mutex_);
  if (++writes_ % kLateWrites == 0) {
    for (const auto& [late_id, late] : std::exchange(late_, {})) {
      project::Status ignored;
      if (!done_ids_.contains(late_id))
        Judge(classes_[late.disciplina()], late.idpessoa(), &ignored);
      if (ignored.status() == 0) done_ids_.insert(late_id);
    }
  }
  if (writes_ % kStaleWrites == 0) {
    for (auto& [sigla, turma] : classes_) turma.old_roster = turma.roster;
  }
  if (fault_ == Fault::kErrorBefore && Sometimes()) return kUnavailable;
  if (fault_ == Fault::kLateEffect && Sometimes()) {
    late_[id] = pair;
    return kUnavailable;
  }
  if (fault_ != Fault::kForgetRequestIds && done_ids_.contains(id)) return grpc::Status::OK;
  Judge(classes_[pair.disciplina()], pair.idpessoa(), reply);
  if (reply->status() == 0) done_ids_.insert(id);
  return fault_ == Fault::kErrorAfter && Sometimes() ? kUnavailable : grpc::Status::OK;
}

grpc::Status FakePortal::Drop(const std::string& id, const project::DisciplinaPessoa& pair,
                              project::Status* reply) {
  base::MutexLock lock(mutex_);
  if (fault_ == Fault::kErrorBefore && Sometimes()) return kUnavailable;
  if (fault_ != Fault::kForgetRequestIds && done_ids_.contains(id)) return grpc::Status::OK;
  std::set<std::string>& roster = classes_[pair.disciplina()].roster;
  if (fault_ == Fault::kForgetDrop && Sometimes()) return grpc::Status::OK;
  if (fault_ == Fault::kDropRefused && Sometimes()) {
    Refuse(recusa::kNaoMatriculado, reply);
  } else if (roster.erase(pair.idpessoa()) == 0) {
    Refuse(recusa::kNaoMatriculado, reply);
  } else {
    done_ids_.insert(id);
  }
  return fault_ == Fault::kErrorAfter && Sometimes() ? kUnavailable : grpc::Status::OK;
}

}  // namespace matricula::day
