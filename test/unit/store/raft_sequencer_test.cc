// Several members in one process, on memory and with a network that is a function call.
#include "common/store/raft_sequencer.h"

#include <catch2/catch.hpp>
#include <map>
#include <thread>

#include "common/storage/memory_engine.h"
#include "common/storage/rocksdb_engine.h"
#include "common/store/identity.h"
#include "common/store/replica_store.h"
#include "test/unit/storage/temporary_directory.h"
#include "test/unit/store/waiting.h"

namespace matricula::store {
namespace {

base::Result<etcdserverpb::PutResponse> Put(ReplicaStore& store, const std::string& key,
                                            const std::string& value) {
  etcdserverpb::PutRequest request;
  request.set_key(key);
  request.set_value(value);
  return Wait<etcdserverpb::PutResponse>([&](auto done) { store.Put(request, std::move(done)); });
}

std::string Get(ReplicaStore& store, const std::string& key, bool serializable = false) {
  etcdserverpb::RangeRequest request;
  request.set_key(key);
  request.set_serializable(serializable);
  const auto response =
      Wait<etcdserverpb::RangeResponse>([&](auto done) { store.Range(request, std::move(done)); });
  if (!response.ok()) return "error: " + response.status().message();
  return response->kvs().empty() ? "" : response->kvs(0).value();
}

// Delivers at once to whoever is connected.
class Network {
 public:
  class Port final : public replication::Transport {
   public:
    explicit Port(Network& network) : network_(network) {}
    void Send(raft::Message message) override { network_.Deliver(std::move(message)); }

   private:
    Network& network_;
  };

  void Connect(uint64_t id, replication::Node* node) {
    const base::MutexLock lock(mutex_);
    nodes_[id] = node;
  }
  void Disconnect(uint64_t id) {
    const base::MutexLock lock(mutex_);
    nodes_.erase(id);
  }

 private:
  void Deliver(raft::Message message) {
    const base::MutexLock lock(mutex_);
    const bool both = nodes_.contains(message.from.value()) && nodes_.contains(message.to.value());
    if (both) nodes_[message.to.value()]->Receive(std::move(message));
  }

  base::Mutex mutex_;
  std::map<uint64_t, replication::Node*> nodes_ GUARDED_BY(mutex_);
};

struct Group {
  explicit Group(size_t size) {
    for (size_t i = 0; i < size; ++i) ids.push_back(MemberIdOf(std::to_string(i)));
    for (const uint64_t id : ids) {
      auto engine = storage::NewMemoryEngine();
      REQUIRE(MakeIdentity(*engine, 1, id).ok());
      ReplicaStore::Options options;
      options.replication = ReplicaStore::Replication();
      options.replication->founders = ids;
      options.replication->transport = &port;
      options.replication->ask = [this](uint64_t member, const peer::Call& call, int64_t,
                                        LeaderDesk::AnswerDone done) {
        for (size_t j = 0; whole && j < stores.size(); ++j) {
          if (ids[j] == member) return stores[j]->desk()->DoHere(call, std::move(done));
        }
        std::move(done)(base::Status(base::Code::kCancelled, "nobody to ask"));
      };
      engines.push_back(engine.get());
      auto store = ReplicaStore::Open(std::move(engine), std::move(options));
      REQUIRE(store.ok());
      stores.push_back(std::move(store).value());
      network.Connect(id, &stores.back()->group()->node());
    }
    whole = true;
  }
  ~Group() {
    whole = false;
    for (const uint64_t id : ids) network.Disconnect(id);
    for (const auto& store : stores) store->Stop();
  }

  size_t Leader() const {
    for (int tries = 0; tries < 1'000; ++tries) {
      for (size_t i = 0; i < stores.size(); ++i) {
        if (stores[i]->leader() == ids[i]) return i;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL("nobody leads");
    return 0;
  }

  Network network;
  Network::Port port{network};
  std::vector<uint64_t> ids;
  std::vector<storage::Engine*> engines;
  std::atomic<bool> whole{false};
  std::vector<std::unique_ptr<ReplicaStore>> stores;
};

TEST_CASE("raft sequencer: any member takes any request, and reads are of what was acknowledged") {
  Group group(3);
  for (size_t i = 0; i < 3; ++i) {
    REQUIRE(Put(*group.stores[i], "key", std::to_string(i)).ok());
    for (const auto& store : group.stores) CHECK(Get(*store, "key") == std::to_string(i));
  }
}

TEST_CASE("raft sequencer: a leader that is cut off answers nothing that counts") {
  Group group(3);
  REQUIRE(Put(*group.stores[0], "key", "old").ok());
  const size_t leader = group.Leader();
  REQUIRE(Get(*group.stores[leader], "key") == "old");
  group.network.Disconnect(group.ids[leader]);
  const size_t other = (leader + 1) % 3;
  REQUIRE(Put(*group.stores[other], "key", "new").ok());
  CHECK(Get(*group.stores[leader], "key") == "error: etcdserver: no leader");
  CHECK(Get(*group.stores[leader], "key", true) == "old");
  CHECK(!Put(*group.stores[leader], "key", "lost").ok());
  CHECK(Get(*group.stores[other], "key") == "new");
  group.network.Connect(group.ids[leader], &group.stores[leader]->group()->node());
  CHECK(Get(*group.stores[other], "key") == "new");
}

template <class Condition>
void WaitUntil(Condition condition) {
  for (int tries = 0; tries < 3'000 && !condition(); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  REQUIRE(condition());
}

bool IsRefusedAsCorrupt(ReplicaStore& store) {
  return Get(store, "other") == "error: etcdserver: corrupt cluster" &&
         Get(store, "other", true) == "error: etcdserver: corrupt cluster" &&
         Put(store, "other", "x").status().code() == base::Code::kDataLoss;
}

void Alter(storage::Engine& engine, const std::string& key) {
  kv::Version version{.mod = {2, 0}, .create = 2, .version = 1, .value = "altered"};
  std::string row;
  kv::AppendVersion(row, version);
  const auto batch = engine.NewBatch();
  batch->Put(kv::KeyRow(key), row);
  REQUIRE(engine.Write(*batch, storage::Durability::kSynced).ok());
}

TEST_CASE("raft sequencer: a leader whose state is not the others' stops serving, and they go on") {
  Group group(3);
  const size_t leader = group.Leader();
  REQUIRE(Put(*group.stores[leader], "key", "value").ok());
  for (const auto& store : group.stores) REQUIRE(Get(*store, "key") == "value");
  Alter(*group.engines[leader], "key");
  REQUIRE(Put(*group.stores[(leader + 1) % 3], "key", "new").ok());
  WaitUntil([&] { return group.stores[leader]->IsCorrupt(); });
  CHECK(IsRefusedAsCorrupt(*group.stores[leader]));
  CHECK(group.stores[leader]->HashKv({}).ok());
  WaitUntil([&] { return group.stores[leader]->leader() != group.ids[leader]; });
  for (const size_t other : {(leader + 1) % 3, (leader + 2) % 3}) {
    CHECK(Put(*group.stores[other], "key", "goes on").ok());
    CHECK(Get(*group.stores[other], "key") == "goes on");
    const auto alarms = group.stores[other]->GetNumbers().alarms;
    REQUIRE(alarms.size() == 1);
    CHECK(alarms[0].alarm() == etcdserverpb::CORRUPT);
    CHECK(alarms[0].memberid() == group.ids[leader]);
  }
}

TEST_CASE("raft sequencer: of two members that differ nobody knows who is right, and both stop") {
  Group group(2);
  const size_t leader = group.Leader();
  REQUIRE(Put(*group.stores[leader], "key", "value").ok());
  for (const auto& store : group.stores) REQUIRE(Get(*store, "key") == "value");
  Alter(*group.engines[1], "key");
  REQUIRE(Put(*group.stores[leader], "key", "new").ok());
  for (const auto& store : group.stores) {
    WaitUntil([&] { return store->IsCorrupt(); });
    CHECK(IsRefusedAsCorrupt(*store));
  }
}

TEST_CASE("raft sequencer: data from before there was a log is taken up, and knows its log then") {
  const test::TemporaryDirectory folder;
  const auto open = [&](bool replicated, replication::Transport& transport) {
    auto engine = storage::OpenRocksDbEngine(folder.path() + "/data", {});
    REQUIRE(engine.ok());
    ReplicaStore::Options options;
    if (replicated) {
      options.replication = ReplicaStore::Replication();
      options.replication->transport = &transport;
    }
    return ReplicaStore::Open(std::move(engine).value(), std::move(options));
  };
  Network network;
  Network::Port port(network);
  {
    auto store = open(false, port);
    REQUIRE(store.ok());
    REQUIRE(Put(**store, "key", "old").ok());
  }
  {
    auto store = open(true, port);
    REQUIRE(store.ok());
    CHECK(Get(**store, "key") == "old");
    CHECK(Put(**store, "key", "new")->header().revision() == 3);
  }
  CHECK(open(false, port).status().code() == base::Code::kFailedPrecondition);
  auto store = open(true, port);
  REQUIRE(store.ok());
  CHECK(Get(**store, "key") == "new");
}

}  // namespace
}  // namespace matricula::store
