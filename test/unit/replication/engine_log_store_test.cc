#include "common/replication/engine_log_store.h"

#include <catch2/catch.hpp>

#include <map>
#include <random>

#include "test/unit/replication/faulty_engine.h"

namespace matricula::replication {
namespace {

using base::Code;
using raft::Entry;
using raft::HardState;
using raft::Index;
using raft::NodeId;
using raft::Term;

std::vector<Entry> Entries(uint64_t first, uint64_t count, uint64_t term, size_t bytes = 10) {
  std::vector<Entry> entries;
  for (uint64_t i = first; i < first + count; ++i) {
    entries.push_back({Index(i), Term(term), raft::EntryType::kCommand,
                       raft::Payload(std::string(bytes, static_cast<char>('a' + i % 26)))});
  }
  return entries;
}

std::unique_ptr<EngineLogStore> MustOpen(storage::Engine& engine) {
  auto log = EngineLogStore::Open(engine);
  INFO(log.status());
  REQUIRE(log.ok());
  return std::move(log).value();
}

void MustWrite(EngineLogStore& log, const std::optional<HardState>& state,
               const std::vector<Entry>& entries) {
  REQUIRE(log.Write(state, entries).ok());
}

TEST_CASE("log store: an empty log") {
  FaultyEngine engine;
  const auto log = MustOpen(engine);
  CHECK(log->FirstIndex() == Index(1));
  CHECK(log->LastIndex() == Index(0));
  CHECK(log->TermAt(Index(0)) == Term(0));
  CHECK_FALSE(log->TermAt(Index(1)).has_value());
  CHECK(log->Read(Index(1), Index(9), 1000).empty());
  CHECK(log->hard_state() == HardState{});
  CHECK(log->Bytes() == 0);
}

TEST_CASE("log store: one write is one sync, and comes back after a restart") {
  FaultyEngine engine;
  auto log = MustOpen(engine);
  const HardState state{Term(2), NodeId(3), Index(1)};
  MustWrite(*log, state, Entries(1, 20, 2));
  CHECK(engine.writes == 1);
  CHECK(engine.syncs == 1);
  for (int restart = 0; restart < 2; ++restart) {
    CHECK(log->LastIndex() == Index(20));
    CHECK(log->hard_state() == state);
    CHECK(log->Read(Index(1), Index(20), 1 << 20) == Entries(1, 20, 2));
    CHECK(log->Bytes() == 20 * (10 + Entry::kOverheadBytes));
    log = MustOpen(engine);
    CHECK(log->recovery().entries == 20);
    CHECK(log->recovery().torn == 0);
  }
}

TEST_CASE("log store: reads obey the limit in bytes but give at least one entry") {
  FaultyEngine engine;
  const auto log = MustOpen(engine);
  MustWrite(*log, std::nullopt, Entries(1, 10, 1, 100));
  const size_t cost = 100 + Entry::kOverheadBytes;
  CHECK(log->Read(Index(3), Index(10), 0).size() == 1);
  CHECK(log->Read(Index(3), Index(10), 3 * cost).size() == 3);
  CHECK(log->Read(Index(3), Index(10), 4 * cost - 1).size() == 3);
  CHECK(log->Read(Index(9), Index(99), 1 << 20).size() == 2);
  CHECK(log->Read(Index(0), Index(3), 1 << 20).empty());
  CHECK(log->Read(Index(11), Index(12), 1 << 20).empty());
}

TEST_CASE("log store: a conflict replaces everything behind it") {
  FaultyEngine engine;
  auto log = MustOpen(engine);
  MustWrite(*log, std::nullopt, Entries(1, 10, 1));
  MustWrite(*log, HardState{Term(2), raft::kNobody, Index(0)}, Entries(4, 2, 2));
  CHECK(log->LastIndex() == Index(5));
  CHECK(log->TermAt(Index(3)) == Term(1));
  CHECK(log->TermAt(Index(5)) == Term(2));
  CHECK(engine.CountKeys(kEntryPrefix) == 5);
  log = MustOpen(engine);
  CHECK(log->LastIndex() == Index(5));
  CHECK(log->Read(Index(4), Index(5), 1 << 20) == Entries(4, 2, 2));
  CHECK(log->recovery().torn == 0);
}

TEST_CASE("log store: incarnations grow and are synced") {
  FaultyEngine engine;
  for (uint64_t start = 1; start <= 3; ++start) {
    const auto log = MustOpen(engine);
    REQUIRE(log->NewIncarnation().ok());
    CHECK(engine.syncs == static_cast<int>(start));
  }
  CHECK(*MustOpen(engine)->NewIncarnation() == 4);
}

TEST_CASE("log store: compaction keeps the term before the first entry") {
  FaultyEngine engine;
  auto log = MustOpen(engine);
  MustWrite(*log, std::nullopt, Entries(1, 5, 1));
  MustWrite(*log, std::nullopt, Entries(6, 5, 3));
  const int syncs = engine.syncs;
  REQUIRE(log->Compact(Index(7)).ok());
  CHECK(engine.syncs == syncs);
  for (int restart = 0; restart < 2; ++restart) {
    CHECK(log->FirstIndex() == Index(7));
    CHECK(log->TermAt(Index(6)) == Term(3));
    CHECK_FALSE(log->TermAt(Index(5)).has_value());
    CHECK(log->Read(Index(6), Index(8), 1 << 20).empty());
    CHECK(log->Read(Index(7), Index(8), 1 << 20).size() == 2);
    CHECK(log->Bytes() == 4 * (10 + Entry::kOverheadBytes));
    log = MustOpen(engine);
  }
  SECTION("down to nothing") {
    REQUIRE(log->Compact(Index(11)).ok());
    CHECK(log->LastIndex() == Index(10));
    CHECK(log->TermAt(Index(10)) == Term(3));
    MustWrite(*log, std::nullopt, Entries(11, 1, 3));
    CHECK(MustOpen(engine)->LastIndex() == Index(11));
  }
}

TEST_CASE("log store: recovery never looks before the first entry") {
  FaultyEngine engine;
  auto log = MustOpen(engine);
  MustWrite(*log, std::nullopt, Entries(1, 10, 1));
  REQUIRE(log->Compact(Index(6)).ok());
  engine.Put(EntryKey(Index(2)), "what a crash left behind");
  log = MustOpen(engine);
  CHECK(log->FirstIndex() == Index(6));
  CHECK(log->LastIndex() == Index(10));
}

TEST_CASE("log store: after a snapshot the log goes on behind it") {
  FaultyEngine engine;
  auto log = MustOpen(engine);
  MustWrite(*log, std::nullopt, Entries(1, 10, 1));
  REQUIRE(log->Reset(Index(50), Term(4), HardState{Term(5), NodeId(1), Index(50)}, {}).ok());
  for (int restart = 0; restart < 2; ++restart) {
    CHECK(log->FirstIndex() == Index(51));
    CHECK(log->LastIndex() == Index(50));
    CHECK(log->TermAt(Index(50)) == Term(4));
    CHECK(log->hard_state() == HardState{Term(5), NodeId(1), Index(50)});
    CHECK(log->Bytes() == 0);
    CHECK(engine.CountKeys(kEntryPrefix) == 0);
    log = MustOpen(engine);
  }
  REQUIRE(log->Reset(Index(60), Term(5), std::nullopt, Entries(61, 2, 5)).ok());
  CHECK(MustOpen(engine)->LastIndex() == Index(62));
}

TEST_CASE("log store: a torn write at the end is cut off") {
  FaultyEngine engine;
  auto log = MustOpen(engine);
  MustWrite(*log, std::nullopt, Entries(1, 10, 1));
  const auto torn = Entries(11, 3, 1);
  SECTION("whole entries, but without the description") {
    uint32_t checksum = 0;
    for (const Entry& entry : Entries(1, 10, 1)) checksum = EncodeEntry(entry, checksum).checksum;
    for (const Entry& entry : torn) {
      const EncodedEntry encoded = EncodeEntry(entry, checksum);
      checksum = encoded.checksum;
      engine.Put(EntryKey(entry.index), encoded.value);
    }
  }
  SECTION("half an entry") { engine.Put(EntryKey(Index(11)), "ab"); }
  SECTION("a later one") { engine.Put(EntryKey(Index(13)), "whatever"); }
  const int syncs = engine.syncs;
  log = MustOpen(engine);
  CHECK(log->LastIndex() == Index(10));
  CHECK(log->recovery().torn > 0);
  CHECK(engine.syncs == syncs + 1);
  CHECK(engine.CountKeys(kEntryPrefix) == 10);
  CHECK(MustOpen(engine)->recovery().torn == 0);
}

TEST_CASE("log store: a long torn tail goes in bounded batches") {
  FaultyEngine engine;
  MustWrite(*MustOpen(engine), std::nullopt, Entries(1, 1, 1));
  for (uint64_t i = 2; i < 2502; ++i) engine.Put(EntryKey(Index(i)), "torn");
  const auto log = MustOpen(engine);
  CHECK(log->recovery().torn == 2500);
  CHECK(engine.CountKeys(kEntryPrefix) == 1);
}

TEST_CASE("log store: damage to what was synced is refused, and said where") {
  FaultyEngine engine;
  MustWrite(*MustOpen(engine), std::nullopt, Entries(1, 10, 1));
  std::string expected;
  SECTION("a missing entry") {
    engine.Delete(EntryKey(Index(4)));
    expected = "entry 4 of 1 to 10";
  }
  SECTION("the last one missing") {
    engine.Delete(EntryKey(Index(10)));
    expected = "entry 10 of 1 to 10";
  }
  SECTION("a flipped bit") {
    std::string value = *engine.Get(EntryKey(Index(7)), nullptr);
    value[15] ^= 4;
    engine.Put(EntryKey(Index(7)), value);
    expected = "entry 7 of 1 to 10";
  }
  SECTION("an entry of another time, sound in itself") {
    const Entry other{Index(7), Term(1), raft::EntryType::kCommand, raft::Payload("other")};
    engine.Put(EntryKey(Index(7)), EncodeEntry(other, 12345).value);
    expected = "entry 7 of 1 to 10";
  }
  SECTION("the last one replaced by another that fits behind its neighbour") {
    uint32_t checksum = 0;
    for (const Entry& entry : Entries(1, 9, 1)) checksum = EncodeEntry(entry, checksum).checksum;
    const Entry other{Index(10), Term(1), raft::EntryType::kCommand, raft::Payload("other")};
    engine.Put(EntryKey(Index(10)), EncodeEntry(other, checksum).value);
    expected = "not the one that was written last";
  }
  SECTION("the description") {
    engine.Put(kDescriptionKey, "not a description");
    expected = "description";
  }
  const auto log = EngineLogStore::Open(engine);
  REQUIRE_FALSE(log.ok());
  CHECK(log.status().code() == Code::kDataLoss);
  CHECK_THAT(log.status().message(), Catch::Contains(expected));
}

TEST_CASE("log store: entries without a description were not written by a log") {
  FaultyEngine engine;
  engine.Put(EntryKey(Index(1)), "torn first write");
  const auto log = MustOpen(engine);
  CHECK(log->recovery().torn == 1);
}

TEST_CASE("log store: errors of the disk come through") {
  FaultyEngine engine;
  const auto log = MustOpen(engine);
  MustWrite(*log, std::nullopt, Entries(1, 10, 1));
  SECTION("while writing") {
    engine.write_error = {Code::kResourceExhausted, "the disk is full"};
    CHECK(log->Write(std::nullopt, Entries(11, 1, 1)) == engine.write_error);
    CHECK_FALSE(log->NewIncarnation().ok());
    CHECK(log->Compact(Index(3)) == engine.write_error);
    CHECK(log->Reset(Index(20), Term(2), std::nullopt, {}) == engine.write_error);
  }
  SECTION("while reading") {
    engine.read_error = {Code::kUnknown, "the disk does not answer"};
    CHECK(log->Read(Index(2), Index(5), 1 << 20).empty());
    CHECK(log->ReadStatus() == engine.read_error);
    CHECK_FALSE(EngineLogStore::Open(engine).ok());
  }
  SECTION("an entry that has gone bad") {
    engine.Put(EntryKey(Index(4)), "nonsense");
    CHECK(log->Read(Index(2), Index(9), 1 << 20).size() == 2);
    CHECK(log->ReadStatus().code() == Code::kDataLoss);
  }
  SECTION("an entry that is gone") {
    engine.Delete(EntryKey(Index(4)));
    CHECK(log->Read(Index(4), Index(9), 1 << 20).empty());
    CHECK(log->ReadStatus().code() == Code::kDataLoss);
  }
  SECTION("reading the walk of recovery") {
    engine.Delete(kDescriptionKey);
    engine.read_error = {Code::kUnknown, "the disk does not answer"};
    CHECK(EngineLogStore::Open(engine).status() == engine.read_error);
  }
}

// A plain model: a map from index to entry.
TEST_CASE("log store: random histories against a map, restarts included") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto below = [&](uint64_t limit) {
    return std::uniform_int_distribution<uint64_t>(0, limit - 1)(random);
  };
  FaultyEngine engine;
  auto log = MustOpen(engine);
  std::map<uint64_t, Entry> model;
  uint64_t first = 1, last = 0, term = 1, base_term = 0;
  HardState state;
  for (int step = 0; step < 2000; ++step) {
    const uint64_t dice = below(10);
    if (dice < 5) {
      term += below(2);
      const uint64_t from = dice == 0 && last >= first ? first + below(last - first + 1) : last + 1;
      const auto entries = Entries(from, below(6), term, below(40));
      const bool with_state = below(2) == 0;
      if (with_state) state = {Term(term), NodeId(below(3)), Index(below(last + 1))};
      MustWrite(*log, with_state ? std::optional(state) : std::nullopt, entries);
      if (entries.empty()) continue;
      model.erase(model.lower_bound(from), model.end());
      for (const Entry& entry : entries) model[entry.index.value()] = entry;
      last = entries.back().index.value();
    } else if (dice < 6 && last >= first) {
      const uint64_t to = first + 1 + below(last - first + 1);
      base_term = model.at(to - 1).term.value();
      REQUIRE(log->Compact(Index(to)).ok());
      model.erase(model.begin(), model.lower_bound(to));
      first = to;
    } else if (dice == 6 && below(10) == 0) {
      last += below(20);
      first = last + 1;
      base_term = ++term;
      REQUIRE(log->Reset(Index(last), Term(base_term), std::nullopt, {}).ok());
      model.clear();
    } else if (dice == 7) {
      log = MustOpen(engine);
    }
    REQUIRE(log->FirstIndex() == Index(first));
    REQUIRE(log->LastIndex() == Index(last));
    REQUIRE(log->TermAt(Index(first - 1)) == Term(base_term));
    REQUIRE(log->hard_state() == state);
    uint64_t bytes = 0;
    for (const auto& [index, entry] : model) bytes += entry.Cost();
    REQUIRE(log->Bytes() == bytes);
    const auto all = log->Read(Index(first), Index(last), SIZE_MAX);
    REQUIRE(all.size() == model.size());
    for (const Entry& entry : all) REQUIRE(entry == model.at(entry.index.value()));
  }
}

}  // namespace
}  // namespace matricula::replication
