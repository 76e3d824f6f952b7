#include "common/kv/watch_hub.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "common/kv/mvcc.h"
#include "common/storage/memory_engine.h"

namespace matricula::kv {
namespace {

using base::Code;
using etcdserverpb::WatchCreateRequest;
using etcdserverpb::WatchResponse;

// A store and its hub on this thread: nothing is delivered but by Run() and RunAll().
class Fixture {
 public:
  Fixture() { mvcc_->SetListener(&hub); }
  ~Fixture() { mvcc_->SetListener(nullptr); }

  void Put(const std::string& key, size_t bytes = 1) {
    Command command;
    command.mutable_put()->set_key(key);
    command.mutable_put()->set_value(std::string(bytes, 'x'));
    Apply(command);
  }
  void Delete(const std::string& key) {
    Command command;
    command.mutable_delete_range()->set_key(key);
    Apply(command);
  }
  // One revision of several puts.
  void PutTogether(int count, size_t bytes) {
    Command command;
    for (int i = 0; i < count; ++i) {
      auto& put = *command.mutable_txn()->add_success()->mutable_request_put();
      put.set_key("t" + std::to_string(i));
      put.set_value(std::string(bytes, 'x'));
    }
    Apply(command);
  }
  void Compact(int64_t at) {
    Command command;
    command.mutable_compaction()->set_revision(at);
    Apply(command);
    while (mvcc_->NeedsCleanUp()) REQUIRE(mvcc_->CleanUp().ok());
  }
  void RunAll() {
    while (hub.RunOnce()) {
    }
  }
  int64_t revision() const { return mvcc_->revision(); }

 private:
  void Apply(const Command& command) {
    const LogCommand entry{++index_, &command};
    const auto outcomes = mvcc_->Apply({&entry, 1}, storage::Durability::kSynced);
    REQUIRE(outcomes.ok());
    REQUIRE(outcomes->front().status.ok());
  }

  std::unique_ptr<storage::Engine> engine_ = storage::NewMemoryEngine();
  std::unique_ptr<Mvcc> mvcc_ = Mvcc::Open(*engine_).value();
  base::ManualClock clock_;
  uint64_t index_ = 0;

 public:
  WatchHub hub{*mvcc_, clock_, {}};
};

class Sink final : public WatchSink {
 public:
  bool OnResponse(const WatchResponse& response) override {
    CHECK_FALSE(ended);
    responses.push_back(response);
    for (const auto& event : response.events()) {
      if (!revisions.empty()) CHECK(event.kv().mod_revision() >= revisions.back());
      revisions.push_back(event.kv().mod_revision());
      CHECK(event.kv().mod_revision() <= response.header().revision());
    }
    if (on_response) on_response();
    return wants_more;
  }
  void OnEnd(const base::Status& status) override {
    CHECK_FALSE(ended);
    ended = true;
    end = status;
  }

  std::vector<WatchResponse> responses;
  std::vector<int64_t> revisions;  // of each event
  std::function<void()> on_response;
  bool wants_more = true;
  bool ended = false;
  base::Status end;
};

WatchCreateRequest All(int64_t start_revision) {
  WatchCreateRequest request;
  request.set_key(std::string(1, '\0'));
  request.set_range_end(std::string(1, '\0'));
  request.set_start_revision(start_revision);
  return request;
}

std::vector<int64_t> Numbers(int64_t first, int64_t last) {
  std::vector<int64_t> numbers;
  for (int64_t number = first; number <= last; ++number) numbers.push_back(number);
  return numbers;
}

TEST_CASE("a watch of the past goes over to the present without a gap") {
  Fixture store;
  constexpr int kPages = 3;
  for (size_t i = 0; i < kPages * ChangePage::kMaxChanges; ++i) store.Put(std::to_string(i % 50));
  Sink sink;
  const auto watch = store.hub.Open(All(2), &sink);
  // Changes come during every step of the way.
  for (int round = 0; round < 2 * kPages; ++round) {
    store.hub.RunOnce();
    store.Put("during");
  }
  store.RunAll();
  store.Put("after");
  store.RunAll();
  CHECK(sink.revisions == Numbers(2, store.revision()));
  CHECK(sink.responses.back().events_size() == 1);  // it was live by then
}

TEST_CASE("a sink that has enough is left alone and goes on from where it was") {
  Fixture store;
  Sink slow, quick;
  slow.wants_more = false;
  const auto slow_watch = store.hub.Open(All(0), &slow);
  const auto quick_watch = store.hub.Open(All(0), &quick);
  store.RunAll();
  slow_watch->Resume();  // after it was told that it is created
  for (int i = 0; i < 100; ++i) {
    store.Put("a");
    store.RunAll();
  }
  CHECK(quick.revisions == Numbers(2, 101));
  CHECK(slow.responses.size() == 2);  // one more than it wanted, and then silence
  const size_t got = slow.revisions.size();
  slow_watch->Resume();
  store.RunAll();
  CHECK(slow.revisions.size() > got);
  slow.wants_more = true;
  slow_watch->Resume();
  store.RunAll();
  CHECK(slow.revisions == Numbers(2, 101));
}

TEST_CASE("changes beyond what may wait in memory are found on disk") {
  Fixture store;
  Sink sink;
  const auto watch = store.hub.Open(All(0), &sink);
  store.RunAll();
  constexpr size_t kBytes = 1u << 20;
  constexpr int64_t kChanges = 3 * WatchHub::kMaxWaitingBytes / kBytes;
  for (int64_t i = 0; i < kChanges; ++i) store.Put("a", kBytes);
  store.RunAll();
  CHECK(sink.revisions == Numbers(2, 1 + kChanges));
  for (const WatchResponse& response : sink.responses) {
    // So that a watch that is behind does not cost as much as it lacks.
    CHECK(response.ByteSizeLong() < 3 * WatchHub::kResponseBytes);
  }
}

TEST_CASE("what belongs to one revision comes in one response, however much it is") {
  Fixture store;
  constexpr int kPuts = 100;
  for (int i = 0; i < 3; ++i) store.PutTogether(kPuts, WatchHub::kResponseBytes / 40);
  Sink past;
  const auto watch = store.hub.Open(All(2), &past);
  store.RunAll();
  REQUIRE(past.responses.size() == 4);
  for (size_t i = 1; i < past.responses.size(); ++i) {
    CHECK(past.responses[i].events_size() == kPuts);
    CHECK(past.responses[i].header().revision() == static_cast<int64_t>(i) + 1);
  }
}

TEST_CASE("a compaction ends the watch that still needed what is gone, and no other") {
  Fixture store;
  Sink slow, live, past;
  slow.wants_more = false;
  const auto slow_watch = store.hub.Open(All(2), &slow);
  const auto live_watch = store.hub.Open(All(2), &live);
  store.RunAll();
  for (int i = 0; i < 20; ++i) store.Put("a");
  store.RunAll();
  store.Compact(15);
  const auto past_watch = store.hub.Open(All(15), &past);
  slow_watch->Resume();
  store.RunAll();
  REQUIRE(slow.ended);
  CHECK(slow.end.code() == Code::kOutOfRange);
  CHECK(slow.responses.back().canceled());
  CHECK(slow.responses.back().compact_revision() == 15);
  store.Put("a");
  store.RunAll();
  CHECK(live.revisions == Numbers(2, 22));
  // Of the compacted revision itself, the last change is still there.
  CHECK(past.revisions == Numbers(15, 22));
  CHECK_FALSE(live.ended);
  CHECK_FALSE(past.ended);
}

TEST_CASE("progress is told when all before it has been") {
  Fixture store;
  for (int i = 0; i < 5'000; ++i) store.Put("a");
  Sink sink;
  const auto watch = store.hub.Open(All(2), &sink);
  watch->RequestProgress();
  store.RunAll();
  REQUIRE(sink.revisions == Numbers(2, 5'001));
  const WatchResponse& last = sink.responses.back();
  CHECK(last.events_size() == 0);
  CHECK(last.header().revision() == 5'001);
}

TEST_CASE("a watch can be ended from its own sink") {
  Fixture store;
  Sink sink;
  std::unique_ptr<Watch> watch = store.hub.Open(All(0), &sink);
  store.RunAll();
  sink.on_response = [&watch] { watch.reset(); };
  for (int i = 0; i < 3; ++i) store.Put("a");
  store.RunAll();
  CHECK(sink.revisions == Numbers(2, 2));
  CHECK_FALSE(store.hub.WantsEvents());
}

// What one watch must see is worked out from the list of all changes.
struct Seen {
  explicit Seen(WatchCreateRequest wanted) : request(std::move(wanted)) {}

  WatchCreateRequest request;
  Sink sink;
  std::unique_ptr<Watch> watch;
};

struct Change {
  int64_t revision = 0;
  std::string key;
  bool is_deletion = false;
};

std::vector<int64_t> Expected(const Seen& seen, const std::vector<Change>& changes) {
  std::vector<int64_t> expected;
  const auto& filters = seen.request.filters();
  for (const Change& change : changes) {
    const bool in_range = change.key >= seen.request.key() && change.key < seen.request.range_end();
    const auto filter =
        change.is_deletion ? WatchCreateRequest::NODELETE : WatchCreateRequest::NOPUT;
    const bool filtered = std::find(filters.begin(), filters.end(), filter) != filters.end();
    if (change.revision >= seen.request.start_revision() && in_range && !filtered) {
      expected.push_back(change.revision);
    }
  }
  return expected;
}

std::string Letter(std::mt19937_64& random) {
  return std::string(1, static_cast<char>('a' + random() % 10));
}

std::unique_ptr<Seen> OpenAny(Fixture& store, std::mt19937_64& random) {
  WatchCreateRequest request;
  request.set_key(Letter(random));
  request.set_range_end("k");
  request.set_start_revision(1 + static_cast<int64_t>(random() % (store.revision() + 20)));
  if (random() % 4 == 0) request.add_filters(WatchCreateRequest::NOPUT);
  if (random() % 4 == 0) request.add_filters(WatchCreateRequest::NODELETE);
  request.set_prev_kv(random() % 2 == 0);
  auto seen = std::make_unique<Seen>(std::move(request));
  seen->watch = store.hub.Open(seen->request, &seen->sink);
  return seen;
}

TEST_CASE("whatever happens in between, every watch sees what it asked for, once and in order") {
  const uint64_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  Fixture store;
  std::vector<Change> changes;
  std::vector<std::unique_ptr<Seen>> watches;
  std::string there;
  for (int step = 0; step < 3'000; ++step) {
    const uint64_t die = random() % 100;
    if (die < 50) {
      const std::string key = Letter(random);
      const bool is_deletion = there.find(key) != std::string::npos && random() % 3 == 0;
      if (is_deletion) {
        store.Delete(key);
        there.erase(there.find(key), 1);
      } else {
        // Now and then so much that it does not fit into memory.
        store.Put(key, random() % 200 == 0 ? 6u << 20 : 10);
        if (there.find(key) == std::string::npos) there += key;
      }
      changes.push_back({store.revision(), key, is_deletion});
    } else if (die < 80) {
      store.hub.RunOnce();
    } else if (die < 83 && watches.size() < 50) {
      watches.push_back(OpenAny(store, random));
    } else if (!watches.empty()) {
      Seen& seen = *watches[random() % watches.size()];
      seen.sink.wants_more = random() % 2 == 0;
      seen.watch->Resume();
    }
  }
  for (const auto& seen : watches) {
    seen->sink.wants_more = true;
    seen->watch->Resume();
  }
  store.RunAll();
  for (const auto& seen : watches) {
    INFO(seen->request.ShortDebugString());
    CHECK(seen->sink.revisions == Expected(*seen, changes));
  }
}

}  // namespace
}  // namespace matricula::kv
