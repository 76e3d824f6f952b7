#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/day/campus.h"
#include "bench/day/client.h"
#include "bench/day/findings.h"
#include "matricula.pb.h"

namespace matricula::day {

enum class Op { kEnroll, kDrop };

// What the players know to be true of the classes, from nothing but the answers they were given,
// and every contradiction between that and a later answer or report.
//
// A pair of student and class is in, out, or possible: an answer was lost, and either may be true.
// Whoever plays writes down each request when it begins and when it is answered, so that a claim
// is only judged by what must have been so at some moment between the two.
class Journal {
 public:
  explicit Journal(const Campus& campus);

  // A request under way; kept by its sender.
  struct Ticket {
    Op op = Op::kEnroll;
    uint32_t turma = 0;
    uint32_t aluno = 0;
    int64_t drops_before = 0;  // in this class, acknowledged before this began
  };

  // A report read before the day's first request: whoever is on it is in.
  void Start(uint32_t turma, const project::RelatorioDisciplina& report);

  Ticket Begin(Op op, uint32_t turma, uint32_t aluno);
  void End(const Ticket& ticket, const Answer& answer);
  // An acknowledged request that was sent again with the same id must be acknowledged again.
  void EndRepeat(const Ticket& ticket, const Answer& answer);

  bool IsIn(uint32_t turma, uint32_t aluno) const;
  bool IsPossible(uint32_t turma, const std::string& matricula) const;
  // Moves on with every Begin and End.
  int64_t moment() const { return moment_; }

  // Judges a class's report asked for at `asked` (a moment()) and received now: nobody missing who
  // was in all that time, nobody on it who was out all that time, never more than the seats.
  void CheckReport(uint32_t turma, int64_t asked, const project::RelatorioDisciplina& report);

  struct Totals {
    int64_t in = 0;
    int64_t possible = 0;
    int64_t vagas = 0;
  };
  Totals totals() const;

  Findings& findings() { return findings_; }
  const Campus& campus() const { return campus_; }

 private:
  enum class State { kOut, kIn, kPossible };
  struct Pair {
    State state = State::kOut;
    int enrolls_open = 0;
    int drops_open = 0;
    bool enroll_lost = false;  // one may still be on its way, and take effect after a drop
    int64_t changed = 0;       // the moment of its last Begin or End
  };
  struct Class {
    std::unordered_map<uint32_t, Pair> pairs;  // by student
    // For bounds on the seats taken at any moment.
    int64_t found = 0;  // when the day began
    int64_t enrolls_ok = 0;
    int64_t enrolls_open = 0;
    int64_t enrolls_possible = 0;  // ended without a certain answer
    int64_t drops_begun = 0;
    int64_t drops_ok = 0;
  };

  void CheckRecord(uint32_t turma, const project::RelatorioDisciplina& report);
  void EndEnroll(const Ticket& ticket, const Answer& answer, Pair& pair);
  void EndDrop(const Ticket& ticket, const Answer& answer, Pair& pair);
  void CheckRefusal(const Ticket& ticket, const Answer& answer, const Pair& pair);
  void CheckNoOversale(uint32_t turma);
  std::string Name(uint32_t turma, uint32_t aluno) const;

  const Campus& campus_;
  std::unordered_map<std::string, uint32_t> alunos_;  // matricula → index
  std::vector<Class> classes_;
  int64_t moment_ = 0;
  Findings findings_;
};

}  // namespace matricula::day
