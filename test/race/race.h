#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bench/day/client.h"
#include "bench/day/random.h"
#include "common/base/clock.h"
#include "test/race/history.h"
#include "test/race/model.h"

namespace matricula::race {

struct RaceOptions {
  uint64_t seed = 1;   // what the clients ask for; not how the answers interleave
  std::string prefix;  // of all identifiers; no two races on one server may have the same
  int clients = 64;    // each has one request under way
  int requests = 10;   // of each client
  int classes = 1;
  int students = 128;  // at most kMostStudents
  int32_t seats = 60;  // of each class at first
};

struct RaceResult {
  int64_t requests = 0;
  int64_t ok = 0;
  int64_t refused = 0;
  int64_t unknown = 0;
  int64_t undecided = 0;                // classes whose history was too hard to judge
  std::vector<std::string> violations;  // empty: every answer was true
};

// Clients that enroll, drop, change `vagas`, remove and make again students and classes, and read
// reports, all at once and all at random. Afterwards every class's history, which ends with a
// report read in peace, must be explained by one sequential order, and every student's list must
// mirror the reports.
//
// `writer` sends the writes; if it gives up soon, their outcomes are unknown when the server dies.
// `reader` must insist until it is answered.
class Race {
 public:
  Race(RaceOptions options, day::Client& writer, day::Client& reader, const base::Clock& clock);

  RaceResult Run();

 private:
  // One client's request under way.
  struct Request {
    Event event;
    size_t turma = 0;
  };

  std::string Sigla(size_t turma) const;
  std::string Matricula(size_t student) const;
  day::Starter<project::Status> MakeWrite(const Request& request) const;
  void SetUp();
  void Drive();
  Request Draw();
  void Next();
  void Write(Request request);
  void Read(size_t turma, bool counted);
  void OnWritten(Request request, const day::Answer& answer);
  void Note(const Request& request, Event event);
  void JudgeHistories();
  void CheckLists();

  const RaceOptions options_;
  day::Client& writer_;
  day::Client& reader_;
  const base::Clock& clock_;
  day::Random random_;
  std::vector<std::pair<Kind, double>> mix_;  // adds up to 1
  std::vector<History> histories_;            // of each class
  std::vector<Students> last_rosters_;
  int64_t left_ = 0;  // requests not yet begun
  uint64_t next_id_ = 0;
  RaceResult result_;
};

}  // namespace matricula::race
