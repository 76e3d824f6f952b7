#include "common/sync/record_cache.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

namespace matricula::sync {
namespace {

mvccpb::KeyValue Pair(const std::string& key, int64_t mod_revision) {
  mvccpb::KeyValue kv;
  kv.set_key(key);
  kv.set_mod_revision(mod_revision);
  return kv;
}

}  // namespace

TEST_CASE("an entry holds until its key changes") {
  RecordCache cache(10, 10'000);
  cache.Keep("a", Pair("a", 3), 5);
  CHECK(cache.Find("a", 5));
  CHECK_FALSE(cache.Find("a", 6));  // nobody knows yet whether 6 changed it
  cache.Reach(6, {"b"});
  CHECK(cache.Find("a", 6));
  cache.Reach(7, {"a"});
  CHECK_FALSE(cache.Find("a", 5));
}

TEST_CASE("that there is no such key is known too") {
  RecordCache cache(10, 10'000);
  cache.Keep("a", std::nullopt, 5);
  const auto found = cache.Find("a", 5);
  REQUIRE(found);
  CHECK_FALSE(*found);
}

TEST_CASE("a change that is told late does not drop a younger entry") {
  RecordCache cache(10, 10'000);
  cache.Keep("a", Pair("a", 4), 5);
  cache.Reach(4, {"a"});
  CHECK(cache.Find("a", 5));
}

TEST_CASE("a reply older than what is known is not kept") {
  RecordCache cache(10, 10'000);
  cache.Reach(9, {"a"});
  cache.Keep("a", Pair("a", 3), 8);
  CHECK_FALSE(cache.Find("a", 8));
}

TEST_CASE("the least recently used leave first, and memory is bounded") {
  RecordCache cache(2, 10'000);
  cache.Keep("a", Pair("a", 1), 1);
  cache.Keep("b", Pair("b", 1), 1);
  CHECK(cache.Find("a", 1));
  cache.Keep("c", Pair("c", 1), 1);
  CHECK(cache.Find("a", 1));
  CHECK_FALSE(cache.Find("b", 1));
  RecordCache small(1000, 3'000);
  for (int i = 0; i < 100; ++i) {
    small.Keep(std::to_string(i), Pair(std::to_string(i), 1), 1);
    CHECK(small.bytes() <= 3'000);
  }
  CHECK(small.size() > 3);
  CHECK(small.evictions() > 80);
  small.Clear();
  CHECK(small.bytes() == 0);
}

// Against the whole history: what the cache says of a key at a revision must have been so at that
// revision or later, up to now, in whatever order replies and changes come.
TEST_CASE("the cache never says what was not so") {
  const uint64_t first_seed = std::random_device()();
  INFO("first seed " << first_seed);
  for (uint64_t seed = first_seed; seed < first_seed + 200; ++seed) {
    std::mt19937_64 chance(seed);
    std::map<int64_t, std::string> changed_at;  // revision → key
    int64_t now = 1;
    int64_t told = 1;
    RecordCache cache(3, 100'000);
    const auto mod_of = [&](const std::string& key, int64_t revision) {
      int64_t mod = 0;
      for (const auto& [rev, changed] : changed_at) {
        if (rev <= revision && changed == key) mod = rev;
      }
      return mod;
    };
    for (int step = 0; step < 300; ++step) {
      const std::string key(1, static_cast<char>('a' + chance() % 5));
      switch (chance() % 4) {
        case 0:
          changed_at[++now] = key;
          break;
        case 1:
          if (told < now) {
            ++told;
            cache.Reach(told, {changed_at[told]});
          }
          break;
        case 2: {
          const int64_t as_of = now - static_cast<int64_t>(chance() % 4);
          if (as_of < 1) break;
          cache.Keep(key, Pair(key, mod_of(key, as_of)), as_of);
          break;
        }
        default: {
          const int64_t wanted = now - static_cast<int64_t>(chance() % 3);
          const auto found = cache.Find(key, wanted);
          if (found) CHECK((*found)->mod_revision() >= mod_of(key, wanted));
        }
      }
    }
  }
}

}  // namespace matricula::sync
