#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/domain/check.h"
#include "common/domain/commit.h"
#include "common/domain/turma_queue.h"
#include "test/sim/sim_store.h"
#include "test/sim/truth.h"

namespace matricula::sim {

// The work that all this is for: portals that race for the seats of a few classes, with students
// who try again under the same request id until they know how it ended. Every pair of a class and a
// student belongs to one client, who therefore knows what he must be told.
class Enrollment {
 public:
  Enrollment(World& world, Cluster& cluster, const Truth& truth, int portals, int requests,
             int64_t think_ns);
  ~Enrollment();

  void Start();
  // Ends after the requests under way.
  void Stop() { stopping_ = true; }
  bool idle() const { return under_way_ == 0; }
  uint64_t requests() const { return told_; }

  // Whether the whole store is as it must be; calls back when that is known.
  void Check(std::function<void()> done);

 private:
  struct Portal {
    Portal(World& world, Cluster& cluster, uint64_t writer_id);
    SimStore store;
    SimTimer timer;
    DriftingClock clock;
    domain::Transactor transactor;
    domain::Cadastro cadastro;
    domain::TurmaQueue turmas;
  };
  struct Pair {
    std::string sigla;
    std::string aluno;
    bool enrolled = false;
    bool unknown = false;  // some request's fate never became known
  };
  using Told = base::Result<project::Status>;
  using Ask = std::function<void(Portal&, const std::string& request_id, domain::Answer)>;

  Portal& AnyPortal() { return *portals_[random_.Below(portals_.size())]; }
  // Asks one portal after the other until one tells how it is.
  void Insist(std::string request_id, int tries, Ask ask, std::function<void(Told)> told);
  void SetUp();
  void Next(Pair& pair);
  void Enroll(Pair& pair);
  void Drop(Pair& pair);
  void EditSeats();
  void OnEnrolled(Pair& pair, const Told& told);
  void OnDropped(Pair& pair, const Told& told);
  void Refuse(const Pair& pair, const std::string& what, const Told& told);
  void Compare(const etcdserverpb::RangeResponse& rosters);

  World& world_;
  Cluster& cluster_;
  const Truth& truth_;
  Random random_;
  const int64_t think_ns_;
  std::vector<std::unique_ptr<Portal>> portals_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::map<std::string, int> seats_;  // by class, as last asked for
  int requests_left_;
  int under_way_ = 0;
  uint64_t told_ = 0;
  uint64_t request_ids_ = 0;
  bool stopping_ = false;
};

// Looks at every revision: in each class as many seats are taken as students are on its roster, and
// never more than there are.
class Seats {
 public:
  Seats(World& world, const Truth& truth) : world_(world), truth_(truth) {}
  // Catches up with what has been agreed on since.
  void Look();

 private:
  struct Turma {
    int taken = 0;
    int seats = 0;
    std::set<std::string> roster;
  };
  void Note(const mvccpb::Event& event, std::set<std::string>& touched);

  World& world_;
  const Truth& truth_;
  std::map<std::string, Turma> turmas_;
  int64_t seen_ = 1;
};

}  // namespace matricula::sim
