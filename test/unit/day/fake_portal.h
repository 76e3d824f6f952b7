#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "bench/day/random.h"
#include "common/base/mutex.h"
#include "matricula.grpc.pb.h"

namespace matricula::day {

// What a server may do wrong. The first ones are only the world's fault, and no answer is untrue;
// each of the others is a lie that somebody must notice.
enum class Fault {
  kNone,
  kErrorBefore,  // some writes end in Unavailable and have no effect
  kErrorAfter,   // some writes end in Unavailable and have one
  kLateEffect,   // some writes end in Unavailable, and have their effect only after a while
  kFirstLie,
  kSellTwice = kFirstLie,  // one student more than there are seats
  kForgetEnroll,           // some acknowledged enrollments are not kept
  kForgetDrop,             // nor some acknowledged drops
  kEnrollRefused,          // some who were told that there is no seat are enrolled all the same
  kRefuseWithRoom,         // the last seat is never given
  kForgetRequestIds,       // a repeat is judged like a new request
  kStaleReports,           // reports show the class as it was some requests ago
  kRepeatStudent,          // some reports show a student twice
  kWrongLists,             // students' lists lack a class
  kDropRefused,            // some drops of an enrolled student are refused
  kEnd,
};

// Both portals in the memory of this process, over real gRPC, with a fault to be found.
class FakePortal {
 public:
  FakePortal(Fault fault, uint64_t seed);
  ~FakePortal();

  const std::string& address() const { return address_; }
  // Down, and up again with the same port and data.
  void Stop();
  void Start();

 private:
  class Admin;
  class Portal;
  friend class Admin;
  friend class Portal;

  struct Class {
    project::Disciplina disciplina;
    std::string siape;
    std::set<std::string> roster;
    std::set<std::string> old_roster;
  };

  grpc::Status Enroll(const std::string& id, const project::DisciplinaPessoa& pair,
                      project::Status* reply);
  grpc::Status Drop(const std::string& id, const project::DisciplinaPessoa& pair,
                    project::Status* reply);
  void Judge(Class& turma, const std::string& aluno, project::Status* reply) REQUIRES(mutex_);
  bool Sometimes() REQUIRES(mutex_);

  const Fault fault_;
  base::Mutex mutex_;
  Random random_ GUARDED_BY(mutex_);
  std::map<std::string, project::Aluno> alunos_ GUARDED_BY(mutex_);
  std::map<std::string, project::Professor> professores_ GUARDED_BY(mutex_);
  std::map<std::string, Class> classes_ GUARDED_BY(mutex_);
  std::set<std::string> done_ids_ GUARDED_BY(mutex_);
  std::map<std::string, project::DisciplinaPessoa> late_ GUARDED_BY(mutex_);  // by request id
  int64_t writes_ GUARDED_BY(mutex_) = 0;

  std::string address_ = "127.0.0.1:0";
  std::unique_ptr<Admin> admin_;
  std::unique_ptr<Portal> portal_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace matricula::day
