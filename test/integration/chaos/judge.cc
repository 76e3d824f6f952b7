#include "test/integration/chaos/judge.h"

#include <fmt/format.h>

#include <algorithm>

namespace matricula::chaos {

Judge::Judge(const Round& round) : round_(round), now_(round.before) {
  for (const auto& [key, pair] : round_.before) versions_[key][0] = pair;
  for (const Change& change : round_.changes) {
    versions_[change.key][change.revision] = {change.key, change.value,
                                              change.value ? change.revision : 0};
    now_[change.key] = versions_[change.key][change.revision];
    if (!change.value) now_.erase(change.key);
    if (change.value) revisions_of_[*change.value].insert(change.revision);
    changes_at_[change.revision].push_back(&change);
  }
  Learn();
}

// Whatever has been told to somebody is known from then on.
void Judge::Learn() {
  for (const Operation& operation : round_.operations) {
    if (operation.answered) known_.emplace_back(operation.end_ns, operation.revision);
  }
  for (const Sighting& sighting : round_.sightings) {
    known_.emplace_back(sighting.at_ns, sighting.revision);
  }
  std::sort(known_.begin(), known_.end());
  int64_t highest = round_.first_revision;
  for (auto& [moment_ns, revision] : known_) revision = highest = std::max(highest, revision);
}

int64_t Judge::KnownBefore(int64_t start_ns) const {
  const auto later =
      std::lower_bound(known_.begin(), known_.end(), std::pair<int64_t, int64_t>{start_ns, 0});
  return later == known_.begin() ? round_.first_revision : std::prev(later)->second;
}

void Judge::Blame(const Operation& operation, const std::string& why) {
  if (findings_.size() < kMostFindings) findings_.push_back(why + ": " + Describe(operation));
}

Pair Judge::At(const std::string& key, int64_t revision) const {
  const auto versions = versions_.find(key);
  if (versions == versions_.end()) return {key, std::nullopt, 0};
  const auto later = versions->second.upper_bound(revision);
  return later == versions->second.begin() ? Pair{key, std::nullopt, 0} : std::prev(later)->second;
}

bool Judge::ConditionsHold(const Operation& operation, int64_t revision) const {
  return std::all_of(operation.conditions.begin(), operation.conditions.end(),
                     [&](const Pair& pair) { return At(pair.key, revision).value == pair.value; });
}

void Judge::CheckRead(const Operation& operation) {
  const int64_t known = KnownBefore(operation.start_ns);
  if (!operation.serializable && operation.revision < known) {
    Blame(operation, fmt::format("stale: revision {} was known before", known));
  }
  // What went before the round is not known at each revision, only at its end.
  if (operation.revision < round_.first_revision) return;
  for (const Pair& pair : operation.reads) {
    if (At(pair.key, operation.revision) != pair) {
      Blame(operation, fmt::format("{} was not so at that revision", pair.key));
    }
  }
}

// The write took effect at this revision: as a whole, with its conditions true, and not too early.
void Judge::CheckEffect(const Operation& operation, int64_t revision) {
  const int64_t known = KnownBefore(operation.start_ns);
  if (revision <= known) {
    Blame(operation, fmt::format("written at {}, but {} was known before", revision, known));
  }
  if (!ConditionsHold(operation, revision - 1)) {
    Blame(operation, fmt::format("written at {} against its conditions", revision));
  }
  std::vector<Change> expected;
  for (const Pair& pair : operation.writes) {
    const bool idle = !pair.value && !At(pair.key, revision - 1).value;
    if (!idle) expected.push_back({revision, pair.key, pair.value});
  }
  const std::vector<const Change*>& found = changes_at_.at(revision);
  const auto is_expected = [&](const Change* change) {
    return std::find(expected.begin(), expected.end(), *change) != expected.end();
  };
  if (found.size() != expected.size() || !std::all_of(found.begin(), found.end(), is_expected)) {
    Blame(operation, fmt::format("not written as asked at {}", revision));
  }
}

void Judge::CheckAnsweredWrite(const Operation& operation) {
  const auto found = revisions_of_.find(operation.id);
  if (!operation.succeeded) {
    if (found != revisions_of_.end()) Blame(operation, "refused, and done all the same");
    if (ConditionsHold(operation, operation.revision)) Blame(operation, "refused without a reason");
    return CheckRead(operation);
  }
  if (found == revisions_of_.end()) return Blame(operation, "lost");
  if (*found->second.begin() != operation.revision) {
    Blame(operation, fmt::format("in the history at {}", *found->second.begin()));
  }
  CheckEffect(operation, *found->second.begin());
}

void Judge::CheckOne(const Operation& operation) {
  const auto found = revisions_of_.find(operation.id);
  const bool written = !operation.id.empty() && found != revisions_of_.end();
  if (written && found->second.size() > 1) Blame(operation, "done more than once");
  if (operation.answered && operation.revision > round_.last_revision) {
    Blame(operation, "of a revision that has never been");
  }
  if (operation.answered && operation.id.empty()) return CheckRead(operation);
  if (operation.answered) return CheckAnsweredWrite(operation);
  if (written) CheckEffect(operation, *found->second.begin());
}

void Judge::CheckStrangers() {
  std::set<std::string> ids;
  for (const Operation& operation : round_.operations) ids.insert(operation.id);
  for (const auto& [value, revisions] : revisions_of_) {
    if (ids.count(value) == 0 && findings_.size() < kMostFindings) {
      findings_.push_back(
          fmt::format("nobody has ever written {} (revision {})", value, *revisions.begin()));
    }
  }
}

std::vector<std::string> Judge::Findings() {
  for (const Operation& operation : round_.operations) CheckOne(operation);
  CheckStrangers();
  return findings_;
}

std::string CompareChanges(const std::vector<Change>& told, const std::vector<Change>& history) {
  for (size_t i = 0; i < std::max(told.size(), history.size()); ++i) {
    if (i < told.size() && i < history.size() && told[i] == history[i]) continue;
    return fmt::format("change {}: told {}, history {}", i,
                       i < told.size() ? Describe(told[i]) : "nothing",
                       i < history.size() ? Describe(history[i]) : "nothing");
  }
  return {};
}

}  // namespace matricula::chaos
