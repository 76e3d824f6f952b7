#include "common/raft/log.h"

#include <catch2/catch.hpp>

#include "common/raft/random.h"
#include "test/unit/raft/harness.h"

namespace matricula::raft::testing {
namespace {

constexpr Log::Limits kRoomy{1 << 20, 1 << 20};

std::vector<Entry> Run(uint64_t first, const std::vector<uint64_t>& terms,
                       const std::string& payload = "") {
  std::vector<Entry> entries;
  for (const uint64_t term : terms) {
    entries.push_back({Index(first + entries.size()), Term(term), EntryType::kCommand, payload});
  }
  return entries;
}

// Carries out what the log wants written, at once.
void Save(Log& log, MemoryLog& disk, uint64_t sequence) {
  Output output;
  output.entries = log.TakeUnsaved(sequence);
  disk.Write(output);
  log.Saved(sequence);
}

}  // namespace

TEST_CASE("an empty log begins at 1") {
  const MemoryLog disk;
  const Log log(disk, Index(0), Index(0), kRoomy);
  CHECK(log.first() == Index(1));
  CHECK(log.last() == Index(0));
  CHECK(log.TermAt(Index(0)) == Term(0));
  CHECK_FALSE(log.TermAt(Index(1)).has_value());
  CHECK(log.last_term() == Term(0));
  CHECK_FALSE(log.HasUnsaved());
}

TEST_CASE("entries come from memory or from the disk, wherever they are") {
  MemoryLog disk;
  disk.base_index = Index(10);
  disk.base_term = Term(2);
  disk.entries = Run(11, {2, 3, 3});
  Log log(disk, Index(12), Index(11), kRoomy);
  log.Append(Run(14, {3, 5}));
  CHECK(log.first() == Index(11));
  CHECK(log.last() == Index(15));
  for (const auto& [index, term] : std::vector<std::pair<uint64_t, uint64_t>>{
           {10, 2}, {11, 2}, {12, 3}, {13, 3}, {14, 3}, {15, 5}}) {
    CHECK(log.TermAt(Index(index)) == Term(term));
  }
  CHECK_FALSE(log.TermAt(Index(9)).has_value());
  CHECK(log.Slice(Index(11), Index(15), SIZE_MAX).size() == 5);
  CHECK(log.Slice(Index(13), Index(14), SIZE_MAX).size() == 2);
  CHECK(log.Slice(Index(15), Index(15), SIZE_MAX).size() == 1);
  CHECK(log.Slice(Index(10), Index(15), SIZE_MAX).empty());
  // Limits hold across the border, and one entry is always given.
  CHECK(log.Slice(Index(11), Index(15), 4 * Entry::kOverheadBytes).size() == 4);
  CHECK(log.Slice(Index(11), Index(15), 2 * Entry::kOverheadBytes).size() == 2);
  CHECK(log.Slice(Index(11), Index(15), 1).size() == 1);
  CHECK(log.Slice(Index(14), Index(15), 1).size() == 1);
}

TEST_CASE("which of two logs is more complete") {
  MemoryLog disk;
  disk.entries = Run(1, {1, 1, 3});
  const Log log(disk, Index(0), Index(0), kRoomy);
  CHECK(log.IsBehindOrEqual(Index(3), Term(3)));
  CHECK(log.IsBehindOrEqual(Index(4), Term(3)));
  CHECK(log.IsBehindOrEqual(Index(1), Term(4)));
  CHECK_FALSE(log.IsBehindOrEqual(Index(2), Term(3)));
  CHECK_FALSE(log.IsBehindOrEqual(Index(9), Term(2)));
}

TEST_CASE("the last entry up to a term, against a search from the end") {
  Random random(3);
  for (int round = 0; round < 300; ++round) {
    MemoryLog disk;
    disk.base_index = Index(random.Below(3));
    disk.base_term = Term(disk.base_index.value() == 0 ? 0 : 1);
    uint64_t term = 1;
    std::vector<uint64_t> terms;
    for (uint64_t i = 0; i < random.Below(20); ++i) terms.push_back(term += random.Below(3));
    disk.entries = Run(disk.base_index.value() + 1, terms);
    const Log log(disk, disk.base_index, disk.base_index, kRoomy);
    for (uint64_t index = disk.base_index.value(); index < 25; ++index) {
      for (uint64_t limit = 0; limit < 12; ++limit) {
        Index expected = std::min(Index(index), log.last());
        while (expected > disk.base_index && *log.TermAt(expected) > Term(limit)) {
          expected = expected - 1;
        }
        REQUIRE(log.LastUpTo(Index(index), Term(limit)) == expected);
      }
    }
  }
}

TEST_CASE("a conflict replaces what is there, on disk and on the way to it") {
  MemoryLog disk;
  Log log(disk, Index(0), Index(0), kRoomy);
  log.Append(Run(1, {1, 1, 1}));
  Save(log, disk, 1);
  CHECK(log.persisted() == Index(3));
  log.Append(Run(2, {2}));
  CHECK(log.last() == Index(2));
  CHECK(log.persisted() == Index(1));
  const std::vector<Entry> unsaved = log.TakeUnsaved(2);
  REQUIRE(unsaved.size() == 1);
  CHECK(unsaved[0].index == Index(2));
  CHECK(unsaved[0].term == Term(2));
}

TEST_CASE("a write that was overtaken by a truncation counts only for what it still holds") {
  MemoryLog disk;
  Log log(disk, Index(0), Index(0), kRoomy);
  log.Append(Run(1, {1, 1, 1}));
  (void)log.TakeUnsaved(1);
  log.Append(Run(2, {2, 2}));  // while the first is being written
  (void)log.TakeUnsaved(2);
  log.Append(Run(3, {3}));
  (void)log.TakeUnsaved(3);
  log.Saved(1);
  CHECK(log.persisted() == Index(1));
  log.Saved(2);
  CHECK(log.persisted() == Index(2));
  log.Saved(3);
  CHECK(log.persisted() == Index(3));
}

TEST_CASE("an old report does not count for an entry that has come back") {
  // (2, t1) is written, replaced by (2, t2), and is there again as (2, t1): the report of the first
  // write must not make the third durable, because the second may reach the disk in between.
  MemoryLog disk;
  Log log(disk, Index(0), Index(0), kRoomy);
  log.Append(Run(1, {1, 1}));
  (void)log.TakeUnsaved(1);
  log.Append(Run(2, {2}));
  (void)log.TakeUnsaved(2);
  log.Append(Run(2, {3}));
  (void)log.TakeUnsaved(3);
  log.Saved(1);
  CHECK(log.persisted() == Index(1));
  log.Saved(2);
  CHECK(log.persisted() == Index(1));
  log.Saved(3);
  CHECK(log.persisted() == Index(2));
}

TEST_CASE("committed entries are handed out once, in order, within the limit") {
  MemoryLog disk;
  Log log(disk, Index(0), Index(0), {1 << 20, 3 * Entry::kOverheadBytes});
  log.Append(Run(1, {1, 1, 1, 1, 1}));
  CHECK(log.TakeCommitted().empty());
  log.CommitTo(Index(4));
  CHECK(log.TakeCommitted().size() == 3);
  CHECK(log.TakeCommitted().empty());  // the limit: nothing is applied yet
  log.AppliedTo(Index(2));
  CHECK(log.TakeCommitted().empty());  // the batch is not done
  log.AppliedTo(Index(3));
  const std::vector<Entry> rest = log.TakeCommitted();
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].index == Index(4));
  log.AppliedTo(Index(4));
  log.CommitTo(Index(3));  // never backwards
  CHECK(log.commit() == Index(4));
}

TEST_CASE("after a restart what is committed and not applied is handed out from the disk") {
  MemoryLog disk;
  disk.entries = Run(1, {1, 1, 1});
  Log log(disk, Index(3), Index(1), kRoomy);
  const std::vector<Entry> entries = log.TakeCommitted();
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].index == Index(2));
}

TEST_CASE("a disk that cannot be read hands out nothing, and can be asked again") {
  MemoryLog disk;
  disk.entries = Run(1, {1, 1, 1});
  Log log(disk, Index(3), Index(1), kRoomy);
  disk.broken = true;
  CHECK(log.TakeCommitted().empty());
  CHECK(log.Slice(Index(1), Index(3), SIZE_MAX).empty());
  disk.broken = false;
  CHECK(log.TakeCommitted().size() == 2);
}

TEST_CASE("memory keeps what is not durable or not applied, and little more") {
  MemoryLog disk;
  Log log(disk, Index(0), Index(0), {300, 1 << 20});
  for (uint64_t i = 1; i <= 10; ++i) log.Append(Run(i, {1}, std::string(68, 'x')));
  log.CommitTo(Index(10));
  CHECK(log.TakeCommitted().size() == 10);
  CHECK(log.CostBetween(Index(1), Index(10)) == 1000);
  log.AppliedTo(Index(8));
  CHECK(log.CostBetween(Index(1), Index(10)) == 1000);  // nothing is durable
  Save(log, disk, 1);
  // Now 1 to 7 come from the disk; if it breaks, they are not there.
  disk.broken = true;
  CHECK(log.Slice(Index(7), Index(10), SIZE_MAX).empty());
  CHECK(log.Slice(Index(8), Index(10), SIZE_MAX).size() == 3);
}

TEST_CASE("compaction forgets entries, and remembers the term of the last one") {
  MemoryLog disk;
  Log log(disk, Index(0), Index(0), kRoomy);
  log.Append(Run(1, {1, 2, 3, 4}));
  Save(log, disk, 1);
  log.CommitTo(Index(3));
  (void)log.TakeCommitted();
  log.AppliedTo(Index(3));
  log.Compact(Index(3));
  CHECK(log.first() == Index(3));
  CHECK(log.TermAt(Index(2)) == Term(2));
  CHECK_FALSE(log.TermAt(Index(1)).has_value());
  log.Compact(Index(2));  // long gone
  CHECK(log.first() == Index(3));
  log.Compact(Index(4));
  CHECK(log.Slice(Index(4), Index(4), SIZE_MAX).size() == 1);
}

TEST_CASE("a snapshot empties the log, and nothing on its way to the disk outlives that") {
  MemoryLog disk;
  Log log(disk, Index(0), Index(0), kRoomy);
  log.Append(Run(1, {1, 1, 1}));
  (void)log.TakeUnsaved(1);
  log.CommitTo(Index(1));
  log.Reset({Index(9), Term(4), Conf({1})});
  CHECK(log.first() == Index(10));
  CHECK(log.last() == Index(9));
  CHECK(log.last_term() == Term(4));
  CHECK(log.commit() == Index(9));
  CHECK(log.applied() == Index(9));
  CHECK(log.persisted() == Index(0));
  log.Saved(1);
  CHECK(log.persisted() == Index(1));  // of what the disk has, only this is known to be common
  (void)log.TakeUnsaved(2);
  log.AppliedTo(Index(2));  // an old report
  log.Saved(2);
  CHECK(log.persisted() == Index(9));
  CHECK(log.applied() == Index(9));
}

TEST_CASE("any order of appends, writes and reports leaves the log that a list would hold") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    MemoryLog disk;
    Log log(disk, Index(0), Index(0), {random.Below(300), 1 << 20});
    std::vector<Entry> model;
    std::deque<std::pair<uint64_t, Output>> writing;
    uint64_t sequence = 0;
    uint64_t term = 1;
    for (int step = 0; step < 200; ++step) {
      const uint64_t dice = random.Below(4);
      if (dice == 0) {
        const uint64_t committed = log.commit().value();
        const uint64_t at = committed + random.Below(model.size() - committed + 1);
        model.resize(at);
        const std::vector<Entry> fresh =
            Run(at + 1, std::vector<uint64_t>(1 + random.Below(3), ++term));
        model.insert(model.end(), fresh.begin(), fresh.end());
        log.Append(fresh);
      } else if (dice == 1 && log.HasUnsaved()) {
        Output output;
        output.entries = log.TakeUnsaved(++sequence);
        writing.emplace_back(sequence, output);
      } else if (dice == 2 && !writing.empty()) {
        disk.Write(writing.front().second);
        log.Saved(writing.front().first);
        writing.pop_front();
      } else if (dice == 3 && log.persisted() > log.commit()) {
        log.CommitTo(log.persisted());
        if (!log.TakeCommitted().empty()) log.AppliedTo(log.commit());
      }
      log.Check();
      INFO("seed " << seed << " step " << step);
      REQUIRE(log.Slice(Index(1), log.last(), SIZE_MAX) == model);
      // What is called durable is on the disk, as it is in the log.
      REQUIRE(log.persisted() <= disk.LastIndex());
      for (Index index(1); index <= log.persisted(); ++index) {
        REQUIRE(disk.TermAt(index) == log.TermAt(index));
      }
    }
  }
}

}  // namespace matricula::raft::testing
