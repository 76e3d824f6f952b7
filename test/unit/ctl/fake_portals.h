#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "matricula.grpc.pb.h"

namespace matricula::ctl {

// Both portals on a free port of loopback, with maps for a store: enough rules for ctl's tests, and
// faults that the real ones have too seldom. For ctl only; the portals are tested by themselves.
class FakePortals {
 public:
  FakePortals();
  ~FakePortals();

  const std::string& address() const { return address_; }

  // Asked before every write that has a request id, with the id and how often it has come: a status
  // other than ok is the answer. With `after_effect` the write takes effect all the same.
  struct Fault {
    grpc::Status status;
    bool after_effect = false;
  };
  void SetFaults(std::function<Fault(const std::string& request_id, int attempt)> faults)
      EXCLUDES(mutex_);

  // What has been stored, and the request ids that came with it, in order of arrival.
  std::map<std::string, std::string> Alunos() EXCLUDES(mutex_);
  std::set<std::pair<std::string, std::string>> Matriculas() EXCLUDES(mutex_);
  std::vector<std::string> RequestIds() EXCLUDES(mutex_);

 private:
  class Admin;
  class Portal;
  struct Turma {
    std::string nome;
    int vagas = 0;
    std::string professor;
    std::set<std::string> alunos;
  };
  struct State {
    std::map<std::string, std::string> alunos;
    std::map<std::string, std::string> professores;
    std::map<std::string, Turma> turmas;
    std::function<Fault(const std::string&, int)> faults;
    std::map<std::string, int> attempts;
    std::set<std::string> done_ids;
    std::vector<std::string> request_ids;
  };
  // What a write does: the reason of its refusal, or nothing.
  using Effect = std::function<std::string(State&)>;

  grpc::Status Write(grpc::ServerContext* context, project::Status* answer, const Effect& effect)
      EXCLUDES(mutex_);

  base::Mutex mutex_;
  State state_ GUARDED_BY(mutex_);
  std::unique_ptr<Admin> admin_;
  std::unique_ptr<Portal> portal_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace matricula::ctl
