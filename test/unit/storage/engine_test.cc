// What every engine promises, tried on each of them.
#include "common/storage/engine.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <random>

#include "common/storage/memory_engine.h"
#include "common/storage/rocksdb_engine.h"
#include "test/unit/storage/temporary_directory.h"

namespace matricula::storage {
namespace {

struct EngineUnderTest {
  explicit EngineUnderTest(bool on_disk) {
    if (!on_disk) {
      engine = NewMemoryEngine();
      return;
    }
    auto opened = OpenRocksDbEngine(directory.path() + "/db", {.memtable_bytes = 64u << 10});
    REQUIRE(opened.ok());
    engine = std::move(opened).value();
  }

  void Put(std::string_view key, std::string_view value) {
    auto batch = engine->NewBatch();
    batch->Put(key, value);
    REQUIRE(engine->Write(*batch, Durability::kBuffered).ok());
  }
  void Delete(std::string_view key) {
    auto batch = engine->NewBatch();
    batch->Delete(key);
    REQUIRE(engine->Write(*batch, Durability::kBuffered).ok());
  }

  test::TemporaryDirectory directory;
  std::unique_ptr<Engine> engine;
};

std::string KeysOf(Iterator& iterator, std::string_view from) {
  std::string keys;
  for (iterator.Seek(from); iterator.Valid(); iterator.Next()) keys += std::string(iterator.key());
  CHECK(iterator.status().ok());
  return keys;
}

std::string Family(std::string_view name) {
  return "v" + std::string(name) + std::string("\0\1", 2);
}

using Model = std::map<std::string, std::string>;

std::string RandomKey(std::mt19937_64& random) {
  static constexpr std::string_view kBytes("\0\1kv\xff", 5);
  std::string key(random() % 5 + 1, ' ');
  for (char& byte : key) byte = kBytes[random() % kBytes.size()];
  return key;
}

// Both directions, from a random key, within random bounds.
void CheckWalks(const Engine& engine, const Snapshot* snapshot, const Model& model,
                std::mt19937_64& random) {
  ReadOptions options{.snapshot = snapshot, .lower = RandomKey(random), .upper = RandomKey(random)};
  if (options.lower >= options.upper) options.lower.clear();
  const std::string from = RandomKey(random);
  const auto iterator = engine.NewIterator(options);

  auto expected = model.lower_bound(std::max(from, options.lower));
  for (iterator->Seek(from); iterator->Valid(); iterator->Next(), ++expected) {
    REQUIRE(expected != model.end());
    REQUIRE(expected->first == iterator->key());
    REQUIRE(expected->second == iterator->value());
  }
  REQUIRE((expected == model.end() || expected->first >= options.upper));

  auto above = from < options.upper ? model.upper_bound(from) : model.lower_bound(options.upper);
  for (iterator->SeekForPrev(from); iterator->Valid(); iterator->Prev()) {
    REQUIRE(above != model.begin());
    --above;
    REQUIRE(above->first == iterator->key());
  }
  REQUIRE((above == model.begin() || std::prev(above)->first < options.lower));
}

}  // namespace

TEST_CASE("an engine gives back what was put and not deleted") {
  EngineUnderTest test(GENERATE(false, true));
  test.Put("a", "1");
  test.Put("b", "2");
  test.Delete("a");
  CHECK(test.engine->Get("a", nullptr).status().code() == base::Code::kNotFound);
  CHECK(*test.engine->Get("b", nullptr) == "2");
}

TEST_CASE("the changes of a batch count in the order of the calls") {
  EngineUnderTest test(GENERATE(false, true));
  auto batch = test.engine->NewBatch();
  batch->Put("a", "1");
  batch->Delete("a");
  batch->Put("b", "1");
  batch->Put("b", "2");
  CHECK(batch->ByteSize() > 0);
  REQUIRE(test.engine->Write(*batch, Durability::kSynced).ok());
  CHECK_FALSE(test.engine->Get("a", nullptr).ok());
  CHECK(*test.engine->Get("b", nullptr) == "2");
  batch->Clear();
  REQUIRE(test.engine->Write(*batch, Durability::kSynced).ok());
  CHECK(*test.engine->Get("b", nullptr) == "2");
}

TEST_CASE("a snapshot and an iterator see nothing of later writes") {
  EngineUnderTest test(GENERATE(false, true));
  test.Put("a", "1");
  test.Put("b", "1");
  const auto snapshot = test.engine->NewSnapshot();
  const auto iterator = test.engine->NewIterator({});
  test.Put("a", "2");
  test.Delete("b");
  test.Put("c", "1");
  CHECK(KeysOf(*iterator, "") == "ab");
  CHECK(*test.engine->Get("a", snapshot.get()) == "1");
  CHECK(*test.engine->Get("b", snapshot.get()) == "1");
  CHECK(KeysOf(*test.engine->NewIterator({.snapshot = snapshot.get()}), "") == "ab");
  CHECK(KeysOf(*test.engine->NewIterator({}), "") == "ac");
}

TEST_CASE("a walk within a family ends where the family does") {
  EngineUnderTest test(GENERATE(false, true));
  test.Put(Family("ana") + "1", "");
  test.Put(Family("ana") + "2", "");
  test.Put(Family("bia") + "1", "");
  test.Put("z", "");
  const auto iterator = test.engine->NewIterator({.within_family = true});
  CHECK(KeysOf(*iterator, Family("ana")) == Family("ana") + "1" + Family("ana") + "2");
  CHECK(KeysOf(*iterator, Family("ana") + "2") == Family("ana") + "2");
  CHECK(KeysOf(*iterator, Family("aa")).empty());
  CHECK(KeysOf(*iterator, Family("bia") + "2").empty());
  CHECK(KeysOf(*iterator, Family("bia")) == Family("bia") + "1");
}

TEST_CASE("filters know whole keys of one table and families of the other") {
  CHECK(FilteredPart(std::string("v\0\1\0\1", 5)) == std::string("v\0\1", 3));
  CHECK(FilteredPart("vabc") == "vabc");
  CHECK(FilteredPart(std::string("k\0\1a", 4)) == std::string("k\0\1a", 4));
  CHECK(FilteredPart(std::string("c\0\1", 3)).empty());
  CHECK(FilteredPart("").empty());
}

TEST_CASE("many keys are got at once") {
  EngineUnderTest test(GENERATE(false, true));
  test.Put("ka", "1");
  test.Put("kc", "3");
  test.Put("x", "9");
  const auto snapshot = test.engine->NewSnapshot();
  test.Put("kb", "2");
  const std::vector<std::string> keys{"ka", "kb", "kc", "kd", "x"};
  const auto get = [&](const Snapshot* at) {
    std::string found;
    CHECK(test.engine
              ->GetMany(keys, at,
                        [&](size_t number, std::string_view value) {
                          found += keys[number] + "=" + std::string(value) + " ";
                        })
              .ok());
    return found;
  };
  CHECK(get(nullptr) == "ka=1 kb=2 kc=3 x=9 ");
  CHECK(get(snapshot.get()) == "ka=1 kc=3 x=9 ");
}

TEST_CASE("engines agree with a map under random changes and walks") {
  const bool on_disk = GENERATE(false, true);
  const auto seed = GENERATE(take(5, random(0u, 1u << 30)));
  CAPTURE(on_disk, seed);
  std::mt19937_64 random(seed);
  EngineUnderTest test(on_disk);
  Model model;
  Model model_then;
  std::unique_ptr<Snapshot> snapshot;
  for (int step = 0; step < 2000; ++step) {
    const std::string key = RandomKey(random);
    if (random() % 3 == 0) {
      test.Delete(key);
      model.erase(key);
    } else {
      const std::string value(random() % 100, 'v');
      test.Put(key, value);
      model[key] = value;
    }
    if (random() % 50 == 0) {
      snapshot = test.engine->NewSnapshot();
      model_then = model;
    }
    if (random() % 200 == 0) REQUIRE(test.engine->CompactRange("", "").ok());
    CheckWalks(*test.engine, nullptr, model, random);
    if (snapshot) CheckWalks(*test.engine, snapshot.get(), model_then, random);
  }
}

}  // namespace matricula::storage
