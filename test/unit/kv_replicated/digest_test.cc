#include "common/kv/digest.h"

#include <catch2/catch.hpp>
#include <random>

#include "common/kv/replicated_mvcc.h"
#include "common/storage/memory_engine.h"

namespace matricula::kv {
namespace {

using raft::Index;
using raft::Term;

// A replica without a log: what it applies, it is told.
class Replica {
 public:
  Replica() { Restart(); }

  void Restart() {
    machine_.reset();
    machine_ = *ReplicatedMvcc::Open(*engine_, {});
  }

  // The commands at [from, to), as one group.
  void Apply(const std::vector<Command>& commands, size_t from, size_t to) {
    std::vector<std::string> bytes;
    for (size_t i = from; i < to; ++i) bytes.push_back(commands[i].SerializeAsString());
    std::vector<replication::Command> group;
    for (size_t i = from; i < to; ++i) {
      group.push_back({Index(i + 1), Term(1), bytes[i - from], nullptr, nullptr});
    }
    REQUIRE(machine_->Apply(group, {Index(to), Term(1), {}}).ok());
  }
  void KeepHouse() { REQUIRE(machine_->KeepHouse().ok()); }

  void TakeSnapshotOf(Replica& other) {
    const auto source = other.machine_->PinSnapshot();
    REQUIRE(source->Prepare().ok());
    REQUIRE(machine_->Stage(0, *source->Read(0, source->TotalBytes())).ok());
    REQUIRE(machine_->InstallStaged(source->meta()).ok());
  }

  // Behind the store's back.
  void Alter(const std::string& key, const std::string& value) {
    const auto row = engine_->Get(KeyRow(key), nullptr);
    Version version;
    REQUIRE((row.ok() && ParseVersion(*row, version)));
    version.value = value;
    std::string altered;
    AppendVersion(altered, version);
    const auto batch = engine_->NewBatch();
    batch->Put(KeyRow(key), altered);
    REQUIRE(engine_->Write(*batch, storage::Durability::kSynced).ok());
  }

  const Digest& digest() const { return machine_->mvcc().digest(); }

  // Digest::sum from the rows alone.
  uint64_t Count() const {
    uint64_t sum = 0;
    const auto rows = engine_->NewIterator({});
    for (rows->Seek(std::string(1, kKeyTable)); rows->Valid(); rows->Next()) {
      std::string_view key;
      Version version;
      if (!ParseKeyRow(rows->key(), key)) break;
      REQUIRE(ParseVersion(rows->value(), version));
      if (!version.tombstone) sum += HashOfKey(key, version, version.value);
    }
    const auto leases = machine_->mvcc().Leases();
    for (const auto& [lease, ttl_s] : *leases) sum += HashOfLease(lease, ttl_s);
    return sum;
  }

 private:
  std::unique_ptr<storage::Engine> engine_ = storage::NewMemoryEngine();
  std::unique_ptr<ReplicatedMvcc> machine_;
};

Command PutOf(const std::string& key, const std::string& value, int64_t lease = 0) {
  Command command;
  command.mutable_put()->set_key(key);
  command.mutable_put()->set_value(value);
  command.mutable_put()->set_lease(lease);
  return command;
}

Command Random(std::mt19937_64& random, size_t index) {
  const std::string key(1, static_cast<char>('a' + random() % 4));
  Command command;
  switch (random() % 10) {
    case 0:
      command.mutable_delete_range()->set_key(key);
      return command;
    case 1:
      command.mutable_lease_grant()->set_id(static_cast<int64_t>(1 + random() % 3));
      command.mutable_lease_grant()->set_ttl(static_cast<int64_t>(5 + random() % 9));
      return command;
    case 2:
      command.mutable_lease_revoke()->set_id(static_cast<int64_t>(1 + random() % 3));
      return command;
    case 3:
      command.mutable_compaction()->set_revision(static_cast<int64_t>(1 + random() % (index + 1)));
      return command;
    case 4:
      for (const char* other : {"a", "b"}) {
        *command.mutable_txn()->add_success()->mutable_request_put() =
            PutOf(other, std::to_string(index)).put();
      }
      return command;
    case 5:
      return PutOf(key, "leased", static_cast<int64_t>(1 + random() % 3));
    case 6:
      command.mutable_digest_mark();
      return command;
    default:
      return PutOf(key, std::to_string(random() % 5));
  }
}

TEST_CASE("digest: the same however commands are grouped, over restarts, cleaning and snapshots") {
  const uint64_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    std::vector<Command> commands;
    for (size_t i = 0; i < 200; ++i) commands.push_back(Random(random, i));
    Replica one_by_one;
    Replica in_groups;
    Replica restarting;
    Replica late;
    const size_t snapshot_at = random() % commands.size();
    for (size_t i = 0; i < commands.size(); ++i) {
      one_by_one.Apply(commands, i, i + 1);
      if (i == snapshot_at) late.TakeSnapshotOf(one_by_one);
      if (i > snapshot_at) late.Apply(commands, i, i + 1);
    }
    for (size_t i = 0; i < commands.size();) {
      const size_t to = std::min(commands.size(), i + 1 + random() % 30);
      in_groups.Apply(commands, i, to);
      restarting.Apply(commands, i, to);
      if (random() % 2 == 0) restarting.KeepHouse();
      if (random() % 3 == 0) restarting.Restart();
      i = to;
    }
    for (const Replica* other : {&in_groups, &restarting, &late}) {
      CHECK(other->digest() == one_by_one.digest());
    }
    CHECK(one_by_one.digest().sum == one_by_one.Count());
    CHECK(restarting.digest().sum == restarting.Count());
  }
}

TEST_CASE("digest: a row changed behind the store's back shows when its key is written") {
  const std::vector<Command> commands = {PutOf("a", "1"), PutOf("b", "1"), PutOf("b", "2"),
                                         PutOf("a", "2"), PutOf("a", "3")};
  Replica good;
  Replica bad;
  for (Replica* replica : {&good, &bad}) replica->Apply(commands, 0, 2);
  bad.Alter("a", "I");
  CHECK(bad.digest().sum != bad.Count());
  for (Replica* replica : {&good, &bad}) replica->Apply(commands, 2, 3);
  CHECK(bad.digest() == good.digest());  // not yet
  for (size_t i = 3; i < 5; ++i) {
    for (Replica* replica : {&good, &bad}) replica->Apply(commands, i, i + 1);
    CHECK(bad.digest() != good.digest());
    CHECK(bad.digest().sum != good.digest().sum);
  }
}

TEST_CASE("digest: a command that one replica has missed shows at once, and for good") {
  Command grant;
  grant.mutable_lease_grant()->set_id(7);
  const std::vector<Command> all = {PutOf("a", "1"), PutOf("b", "1"), grant};
  for (size_t missed = 0; missed < all.size(); ++missed) {
    std::vector<Command> less = all;
    less[missed] = Command();  // one that does nothing
    Replica good;
    Replica bad;
    good.Apply(all, 0, all.size());
    bad.Apply(less, 0, all.size());
    CHECK(bad.digest() != good.digest());
  }
}

TEST_CASE("digest: data that a version without digests has written is compared with nobody's") {
  const State state{5, 9, {11, 12, 3}};
  State again{5, 9, {}};
  REQUIRE(ParseDigest(EncodeDigest(state), again));
  CHECK(again == state);
  State without{5, 9, {}};
  REQUIRE(ParseDigest({}, without));
  CHECK(without.digest == Digest{0, 0, Digest::kNotYet});
  State gone_on{6, 10, {}};
  REQUIRE(ParseDigest(EncodeDigest(state), gone_on));
  CHECK(gone_on.digest == Digest{0, 0, Digest::kNotYet});
  State empty;
  REQUIRE(ParseDigest({}, empty));
  CHECK(empty.digest == Digest{0, 0, 0});
  CHECK_FALSE(ParseDigest(EncodeDigest(state) + "x", again));
}

}  // namespace
}  // namespace matricula::kv
