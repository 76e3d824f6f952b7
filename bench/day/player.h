#pragma once

#include <cstdint>
#include <queue>
#include <string>
#include <vector>

#include "bench/day/campus.h"
#include "bench/day/client.h"
#include "bench/day/journal.h"
#include "bench/day/plan.h"
#include "bench/day/progress.h"
#include "bench/day/random.h"
#include "bench/day/tally.h"

namespace matricula::day {

struct PlayOptions {
  double speed = 60;           // the day's time over real time
  double report_share = 0.02;  // of the answers after which somebody looks at the class's report
  std::string request_prefix;  // of the request ids; must differ from run to run
  uint64_t seed = 1;           // who looks
};

// Plays the plan of a day against the servers of `client`: every student sends its wishes in
// order, each at its time or as soon as the one before is answered and the client has room.
class Player {
 public:
  Player(const Plan& plan, PlayOptions options, Client& client, Journal& journal,
         const base::Clock& clock);

  // Returns when everything is answered or given up.
  void Play(Progress& progress);
  const Tally& tally() const { return tally_; }

 private:
  struct Event {
    int64_t due_ns;
    uint32_t wish;
    Op op;
    bool operator>(const Event& other) const { return due_ns > other.due_ns; }
  };
  struct Sent {
    uint32_t wish = 0;
    Journal::Ticket ticket;
    std::string request_id;
  };

  int64_t RealNs(int64_t day_ms) const;
  void Schedule(uint32_t wish, Op op, int64_t day_ms);
  void StartEvent(const Event& event);
  Starter<project::Status> MakeRequest(const Wish& wish, Op op) const;
  void Send(uint32_t wish, Op op, int64_t patience_us);
  void Repeat(Sent sent, bool was_ok);
  void OnAnswer(const Sent& sent, const Answer& answer);
  void OnRepeated(const Sent& sent, bool was_ok, const Answer& answer);
  void OnOver(const Sent& sent);
  void Count(Op op, const Answer& answer, bool patient);
  void LookAtReport(uint32_t turma);
  std::string ProgressLine() const;

  const Plan& plan_;
  const PlayOptions options_;
  Client& client_;
  Journal& journal_;
  const base::Clock& clock_;
  Random random_;
  Tally tally_;
  int64_t opening_ns_ = 0;
  uint64_t next_request_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::vector<uint8_t> open_;  // requests under way for each wish
};

}  // namespace matricula::day
