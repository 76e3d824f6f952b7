#include "common/storage/rocksdb_engine.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/storage/rocksdb_files.h"
#include "test/unit/storage/temporary_directory.h"

namespace matricula::storage {
namespace {

std::unique_ptr<Engine> MustOpen(const std::string& directory) {
  auto opened = OpenRocksDbEngine(directory);
  INFO(opened.status());
  REQUIRE(opened.ok());
  return std::move(opened).value();
}

void Put(Engine& engine, std::string_view key, std::string_view value) {
  auto batch = engine.NewBatch();
  batch->Put(key, value);
  REQUIRE(engine.Write(*batch, Durability::kSynced).ok());
}

std::filesystem::path NewestLog(const std::string& directory) {
  std::filesystem::path newest;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".log") newest = std::max(newest, entry.path());
  }
  REQUIRE_FALSE(newest.empty());
  return newest;
}

// The files as a power failure would leave them while `from` is open.
void CopyFiles(const std::string& from, const std::string& to) {
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  std::filesystem::remove(to + "/LOCK");
}

}  // namespace

TEST_CASE("a log that has room left over is read up to there, crash after crash") {
  const test::TemporaryDirectory temporary;
  std::string life = temporary.path() + "/0";
  int keys = 0;
  for (int round = 1; round <= 5; ++round) {
    const auto engine = MustOpen(life);
    for (int i = 0; i < keys; ++i) CHECK(engine->Get(std::to_string(i), nullptr).ok());
    // Some are longer than a block of the log.
    for (int i = 0; i < 30; ++i) Put(*engine, std::to_string(keys++), std::string(i * 3'000, 'x'));
    const auto log = NewestLog(life);
    CHECK(std::filesystem::file_size(log) > 2 * WrittenBytes(log));
    life = temporary.path() + "/" + std::to_string(round);
    CopyFiles(temporary.path() + "/" + std::to_string(round - 1), life);
  }
  const auto engine = MustOpen(life);
  for (int i = 0; i < keys; ++i)
    CHECK(engine->Get(std::to_string(i), nullptr)->size() % 3'000 == 0);
}

TEST_CASE("a write that is torn in front of room left over is forgotten alone") {
  const test::TemporaryDirectory temporary;
  const std::string before = temporary.path() + "/before";
  const std::string after = temporary.path() + "/after";
  {
    const auto engine = MustOpen(before);
    Put(*engine, "a", "1");
    Put(*engine, "b", std::string(200'000, 'x'));
    CopyFiles(before, after);
  }
  const auto log = NewestLog(after);
  const auto bytes = std::filesystem::file_size(log);
  std::filesystem::resize_file(log, 100'000);
  std::filesystem::resize_file(log, bytes);  // zeros again
  for (int life = 0; life < 2; ++life) {
    const auto engine = MustOpen(after);
    CHECK(*engine->Get("a", nullptr) == "1");
    CHECK(engine->Get("b", nullptr).status().code() == base::Code::kNotFound);
    CHECK(engine->Get("c", nullptr).ok() == (life == 1));
    Put(*engine, "c", "1");
  }
}

TEST_CASE("a checkpoint does not copy room left over") {
  const test::TemporaryDirectory temporary;
  const auto engine = MustOpen(temporary.path() + "/data");
  Put(*engine, "a", "1");
  REQUIRE(engine->Checkpoint(temporary.path() + "/copy").ok());
  uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(temporary.path() + "/copy")) {
    bytes += file.file_size();
  }
  CHECK(bytes < 100'000);
}

TEST_CASE("a directory that is open elsewhere is refused by name") {
  const test::TemporaryDirectory temporary;
  const auto engine = MustOpen(temporary.path());
  const auto second = OpenRocksDbEngine(temporary.path());
  REQUIRE_FALSE(second.ok());
  CHECK(second.status().code() == base::Code::kFailedPrecondition);
  CHECK(second.status().message() ==
        "the data directory " + temporary.path() + " is in use by another process");
}

TEST_CASE("a directory that cannot be made is an error with its name") {
  const auto opened = OpenRocksDbEngine("/proc/no-such-place/data");
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.status().message().find("/proc/no-such-place/data") != std::string::npos);
}

TEST_CASE("what was written is there after reopening") {
  const test::TemporaryDirectory temporary;
  Put(*MustOpen(temporary.path()), "a", "1");
  CHECK(*MustOpen(temporary.path())->Get("a", nullptr) == "1");
}

TEST_CASE("a torn last write is forgotten and the ones before it are kept") {
  const test::TemporaryDirectory temporary;
  {
    const auto engine = MustOpen(temporary.path());
    Put(*engine, "a", "1");
    Put(*engine, "b", std::string(1000, 'b'));
  }
  const auto log = NewestLog(temporary.path());
  std::filesystem::resize_file(log, std::filesystem::file_size(log) - 500);
  const auto engine = MustOpen(temporary.path());
  CHECK(*engine->Get("a", nullptr) == "1");
  CHECK_FALSE(engine->Get("b", nullptr).ok());
}

TEST_CASE("a flipped bit in a table is an error and never a wrong value") {
  const test::TemporaryDirectory temporary;
  {
    const auto engine = MustOpen(temporary.path());
    Put(*engine, "a", std::string(1000, 'a'));
    REQUIRE(engine->CompactRange("", "").ok());
  }
  for (const auto& entry : std::filesystem::directory_iterator(temporary.path())) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20);
    file.put('X');
  }
  const auto opened = OpenRocksDbEngine(temporary.path());
  if (!opened.ok()) return;
  const auto value = (*opened)->Get("a", nullptr);
  REQUIRE_FALSE(value.ok());
  CHECK(value.status().code() == base::Code::kDataLoss);
}

TEST_CASE("a checkpoint is a copy of the moment it was made") {
  const test::TemporaryDirectory temporary;
  const auto engine = MustOpen(temporary.path() + "/db");
  Put(*engine, "a", "1");
  REQUIRE(engine->Checkpoint(temporary.path() + "/copy").ok());
  Put(*engine, "a", "2");
  const auto copy = MustOpen(temporary.path() + "/copy");
  CHECK(*copy->Get("a", nullptr) == "1");
  CHECK_FALSE(engine->Checkpoint(temporary.path() + "/copy").ok());
}

TEST_CASE("few info logs are kept") {
  const test::TemporaryDirectory temporary;
  for (int i = 0; i < 10; ++i) Put(*MustOpen(temporary.path()), "a", "1");
  int logs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(temporary.path())) {
    if (entry.path().filename().string().starts_with("LOG")) ++logs;
  }
  CHECK(logs <= 5);
}

TEST_CASE("statistics grow with the data") {
  const test::TemporaryDirectory temporary;
  const auto engine = MustOpen(temporary.path());
  const EngineStats before = engine->Stats();
  Put(*engine, "a", std::string(1 << 20, 'a'));
  CHECK(engine->Stats().disk_bytes >= before.disk_bytes + (1 << 20));
  CHECK(engine->Stats().memory_bytes > 0);
}

}  // namespace matricula::storage
