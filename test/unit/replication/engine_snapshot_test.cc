#include "common/replication/engine_snapshot.h"

#include <catch2/catch.hpp>

#include <map>
#include <random>

#include "common/replication/snapshot_format.h"
#include "test/unit/replication/faulty_engine.h"

namespace matricula::replication {
namespace {

using base::Code;
using raft::Index;
using raft::NodeId;
using raft::Term;

const std::vector<std::string> kLocalRows = {"midentity", "aalone"};

raft::SnapshotMeta Meta(uint64_t index) {
  raft::SnapshotMeta meta{Index(index), Term(3), {}};
  meta.conf.voters = {NodeId(1), NodeId(2), NodeId(3)};
  return meta;
}

std::unique_ptr<EngineSnapshots> MustOpen(storage::Engine& engine) {
  auto snapshots = EngineSnapshots::Open(engine, kLocalRows);
  INFO(snapshots.status());
  REQUIRE(snapshots.ok());
  return std::move(snapshots).value();
}

std::map<std::string, std::string> RowsOf(const storage::Engine& engine) {
  std::map<std::string, std::string> rows;
  const auto walk = engine.NewIterator({});
  for (walk->Seek(""); walk->Valid(); walk->Next()) {
    rows[std::string(walk->key())] = walk->value();
  }
  return rows;
}

void Fill(FaultyEngine& engine, int rows, const std::string& text) {
  for (int i = 0; i < rows; ++i) {
    engine.Put("d" + std::to_string(i), text + std::string(static_cast<size_t>(i % 500), 'x'));
  }
  engine.Put("mstate", text);
  engine.Put("midentity", text + " is me");
  engine.Put("aalone", text + " is alone");
  engine.Put("rd", text + " log");
  engine.Put("zlast", text);
}

std::string ReadAll(SnapshotSource& source, size_t chunk) {
  std::string all;
  while (all.size() < source.TotalBytes()) {
    const size_t size = std::min<uint64_t>(chunk, source.TotalBytes() - all.size());
    auto bytes = source.Read(all.size(), size);
    REQUIRE(bytes.ok());
    REQUIRE(bytes->size() == size);
    all += *bytes;
  }
  return all;
}

void StageAll(EngineSnapshots& snapshots, const std::string& bytes, size_t chunk) {
  for (size_t at = 0; at < bytes.size(); at += chunk) {
    REQUIRE(snapshots.Stage(at, std::string_view(bytes).substr(at, chunk)).ok());
  }
}

std::string Taken(FaultyEngine& engine, uint64_t index) {
  const auto snapshots = MustOpen(engine);
  const auto source = snapshots->Pin(Meta(index));
  REQUIRE(source->Prepare().ok());
  return ReadAll(*source, 1 << 20);
}

TEST_CASE("snapshot: what one engine had another gets, but for what is a node's own") {
  FaultyEngine from;
  FaultyEngine to;
  Fill(from, 3000, "new");
  Fill(to, 50, "old");
  to.Put("dgone", "must go");
  const size_t chunk = GENERATE(size_t{1}, size_t{777}, size_t{65536}, size_t{1} << 22);
  if (chunk == 1) Fill(from, 10, "few");
  const auto snapshots = MustOpen(to);
  {
    const auto source_snapshots = MustOpen(from);
    const auto source = source_snapshots->Pin(Meta(9));
    REQUIRE(source->Prepare().ok());
    if (chunk == 1) {
      const std::string head = ReadAll(*source, 4096).substr(0, 300);
      std::string by_bytes;
      for (size_t i = 0; i < head.size(); ++i) by_bytes += *source->Read(i, 1);
      REQUIRE(by_bytes == head);
    }
    StageAll(*snapshots, ReadAll(*source, chunk == 1 ? 100'000 : chunk), chunk == 1 ? 999 : chunk);
  }
  REQUIRE(snapshots->CheckStaged(Meta(9)).ok());
  CHECK(snapshots->CheckStaged(Meta(10)).code() == Code::kDataLoss);
  REQUIRE(snapshots->InstallStaged(Meta(9)).ok());
  auto expected = RowsOf(from);
  for (const char* own : {"midentity", "aalone", "rd"}) expected[own] = RowsOf(to)[own];
  CHECK(RowsOf(to) == expected);
  CHECK(RowsOf(to)["midentity"] == "old is me");
  CHECK(to.largest_batch < (size_t{5} << 20));
}

TEST_CASE("snapshot: it stays as it was while the state goes on") {
  FaultyEngine engine;
  Fill(engine, 100, "before");
  const auto snapshots = MustOpen(engine);
  const auto source = snapshots->Pin(Meta(1));
  Fill(engine, 200, "after");
  REQUIRE(source->Prepare().ok());
  Fill(engine, 300, "much later");
  const std::string bytes = ReadAll(*source, 1000);
  CHECK(bytes.find("after") == std::string::npos);
  CHECK(bytes.find("before") != std::string::npos);
  CHECK(source->meta() == Meta(1));
}

TEST_CASE("snapshot: an empty state is a snapshot too") {
  FaultyEngine from;
  FaultyEngine to;
  to.Put("d", "must go");
  const std::string bytes = Taken(from, 4);
  const auto snapshots = MustOpen(to);
  StageAll(*snapshots, bytes, 7);
  REQUIRE(snapshots->CheckStaged(Meta(4)).ok());
  REQUIRE(snapshots->InstallStaged(Meta(4)).ok());
  CHECK(RowsOf(to).empty());
}

TEST_CASE("snapshot: nothing damaged or cut off passes the check") {
  FaultyEngine from;
  Fill(from, 20, "good");
  const std::string bytes = Taken(from, 4);
  FaultyEngine to;
  const auto snapshots = MustOpen(to);
  CHECK(snapshots->CheckStaged(Meta(4)).code() == Code::kDataLoss);
  for (size_t size = 0; size < bytes.size(); size += 1 + size / 16) {
    StageAll(*snapshots, bytes.substr(0, size), 100);
    CHECK(snapshots->CheckStaged(Meta(4)).code() == Code::kDataLoss);
  }
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] ^= 0x10;
    StageAll(*snapshots, damaged, 4096);
    REQUIRE(snapshots->CheckStaged(Meta(4)).code() == Code::kDataLoss);
  }
  StageAll(*snapshots, bytes + "x", 4096);
  CHECK(snapshots->CheckStaged(Meta(4)).code() == Code::kDataLoss);
  StageAll(*snapshots, bytes, 4096);
  CHECK(snapshots->CheckStaged(Meta(4)).ok());
}

TEST_CASE("snapshot: rows that no honest sender writes are refused") {
  FaultyEngine to;
  const auto snapshots = MustOpen(to);
  const auto check = [&](std::string_view rows) {
    std::string bytes = EncodeSnapshotHeader(Meta(1));
    bytes += rows;
    StageAll(*snapshots, bytes, 4096);
    return snapshots->CheckStaged(Meta(1));
  };
  std::string twice;
  AppendSnapshotRow(twice, "da", "1");
  AppendSnapshotRow(twice, "da", "2");
  CHECK_THAT(check(twice).message(), Catch::Contains("out of order"));
  std::string of_node;
  AppendSnapshotRow(of_node, "rl", "1");
  CHECK_THAT(check(of_node).message(), Catch::Contains("belongs to a node"));
  CHECK_THAT(check(std::string(8, '\xff')).message(), Catch::Contains("too large"));
}

TEST_CASE("snapshot: a damaged staged piece is noticed") {
  FaultyEngine from;
  Fill(from, 20, "good");
  const std::string bytes = Taken(from, 4);
  FaultyEngine to;
  const auto snapshots = MustOpen(to);
  StageAll(*snapshots, bytes, 300);
  auto rows = RowsOf(to);
  REQUIRE(rows.size() > 2);
  std::string value = rows.begin()->second;
  value.back() ^= 1;
  to.Put(rows.begin()->first, value);
  CHECK(snapshots->CheckStaged(Meta(4)).code() == Code::kDataLoss);
  to.Delete(std::next(rows.begin())->first);
  CHECK(snapshots->CheckStaged(Meta(4)).code() == Code::kDataLoss);
}

TEST_CASE("snapshot: what was staged and not installed is gone after a restart") {
  FaultyEngine engine;
  REQUIRE(MustOpen(engine)->Stage(0, "half a snapshot").ok());
  CHECK(engine.CountKeys("rs") == 1);
  MustOpen(engine);
  CHECK(engine.CountKeys("rs") == 0);
}

// The disk stops at every write of an installation in turn; a restart must find the old state or
// the new one.
TEST_CASE("snapshot: an interrupted installation is finished at the next start") {
  FaultyEngine from;
  Fill(from, 12000, "new");
  const std::string bytes = Taken(from, 4);
  int interrupted = 0;
  for (int writes = 0;; ++writes) {
    FaultyEngine to;
    Fill(to, 6000, "old");
    const auto before = RowsOf(to);
    auto snapshots = MustOpen(to);
    StageAll(*snapshots, bytes, 100'000);
    to.writes_left = writes;
    const bool done = snapshots->InstallStaged(Meta(4)).ok();
    to.writes_left = -1;
    snapshots = MustOpen(to);
    if (RowsOf(to) != before) {
      auto expected = RowsOf(from);
      for (const char* own : {"midentity", "aalone", "rd"}) expected[own] = before.at(own);
      REQUIRE(RowsOf(to) == expected);
      if (!done) ++interrupted;
    } else {
      REQUIRE(writes == 0);
    }
    if (done) break;
  }
  CHECK(interrupted >= 3);
}

TEST_CASE("snapshot: an interrupted installation whose bytes are damaged is refused") {
  FaultyEngine from;
  Fill(from, 40, "new");
  FaultyEngine to;
  Fill(to, 30, "old");
  auto snapshots = MustOpen(to);
  StageAll(*snapshots, Taken(from, 4), 100);
  to.writes_left = 1;
  REQUIRE_FALSE(snapshots->InstallStaged(Meta(4)).ok());
  to.writes_left = -1;
  const std::string staged_key = std::string("rs") + std::string(8, '\0');
  SECTION("the bytes") { to.Put(staged_key, "nonsense"); }
  SECTION("the marker") { to.Put("ri", "nonsense"); }
  CHECK(EngineSnapshots::Open(to, kLocalRows).status().code() == Code::kDataLoss);
}

TEST_CASE("snapshot: errors of the disk come through") {
  FaultyEngine from;
  Fill(from, 40, "new");
  const std::string bytes = Taken(from, 4);
  FaultyEngine to;
  const auto snapshots = MustOpen(to);
  StageAll(*snapshots, bytes, 100);
  const auto source = snapshots->Pin(Meta(1));
  REQUIRE(source->Prepare().ok());
  const base::Status error(Code::kUnknown, "the disk does not answer");
  SECTION("reading") {
    to.read_error = error;
    CHECK(snapshots->CheckStaged(Meta(4)) == error);
    CHECK(snapshots->DiscardStaged() == error);
    CHECK(snapshots->Pin(Meta(1))->Prepare() == error);
    CHECK(EngineSnapshots::Open(to, kLocalRows).status() == error);
  }
  SECTION("writing") {
    to.write_error = error;
    CHECK(snapshots->Stage(bytes.size(), "more") == error);
    CHECK(snapshots->DiscardStaged() == error);
    CHECK(snapshots->InstallStaged(Meta(4)) == error);
  }
}

TEST_CASE("snapshot: any range of it can be read at any time") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  FaultyEngine engine;
  Fill(engine, 2000, "row");
  const auto snapshots = MustOpen(engine);
  const auto source = snapshots->Pin(Meta(12));
  REQUIRE(source->Prepare().ok());
  const std::string all = ReadAll(*source, 1 << 20);
  for (int i = 0; i < 300; ++i) {
    const size_t offset = random() % all.size();
    const size_t size = random() % std::min<size_t>(all.size() - offset + 1, 200'000);
    const auto bytes = source->Read(offset, size);
    REQUIRE(bytes.ok());
    REQUIRE(*bytes == all.substr(offset, size));
  }
}

}  // namespace
}  // namespace matricula::replication
