#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "test/integration/chaos/history.h"

namespace matricula::chaos {

// What clients saw between two moments at which nothing was under way.
struct Round {
  int64_t first_revision = 0;          // the round begins after it
  std::map<std::string, Pair> before;  // the keys there were then
  int64_t last_revision = 0;
  std::vector<Operation> operations;
  std::vector<Sighting> sightings;
  // All changes between the two, in the order of revisions, as the store's history has them.
  std::vector<Change> changes;
};

// Whether the round is linearizable, over all keys at once, with the revisions for an order. It
// suffices to check what the store itself claims: if each write is in the history at the revision
// of its answer and nowhere else, with its conditions true there; if each read shows the state at
// the revision of its answer; and if no answer's revision is older than what anybody knew when its
// request began (a write's: not as old) then putting all requests in the order of their revisions
// explains every answer. A write without an answer counts if the history has it, and then must
// fit, too. A serializable read may be old, but never show what the history does not have.
class Judge {
 public:
  static constexpr size_t kMostFindings = 20;

  explicit Judge(const Round& round);

  // What is wrong, one line each; empty: all is well.
  std::vector<std::string> Findings();

  // The keys at the end of the round.
  const std::map<std::string, Pair>& after() const { return now_; }

 private:
  // A key's states, by the revision from which on they hold.
  using Versions = std::map<int64_t, Pair>;

  void Learn();
  void Blame(const Operation& operation, const std::string& why);
  Pair At(const std::string& key, int64_t revision) const;
  bool ConditionsHold(const Operation& operation, int64_t revision) const;
  int64_t KnownBefore(int64_t start_ns) const;
  void CheckRead(const Operation& operation);
  void CheckAnsweredWrite(const Operation& operation);
  void CheckEffect(const Operation& operation, int64_t revision);
  void CheckOne(const Operation& operation);
  void CheckStrangers();

  const Round& round_;
  std::map<std::string, Versions> versions_;
  std::map<std::string, std::set<int64_t>> revisions_of_;  // of a written value
  std::map<int64_t, std::vector<const Change*>> changes_at_;
  std::vector<std::pair<int64_t, int64_t>> known_;  // moment, highest revision known from then on
  std::map<std::string, Pair> now_;
  std::vector<std::string> findings_;
};

// Whether a watch told each change once and in order. Empty if so.
std::string CompareChanges(const std::vector<Change>& told, const std::vector<Change>& history);

}  // namespace matricula::chaos
