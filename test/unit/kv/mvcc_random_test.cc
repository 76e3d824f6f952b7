// The store against the model, under thousands of random commands and reads.
#include <catch2/catch.hpp>
#include <random>

#include "common/kv/mvcc.h"
#include "common/storage/memory_engine.h"
#include "test/unit/kv/forgetful_engine.h"
#include "test/unit/kv/model.h"
#include "test/unit/kv/outcomes.h"
#include "test/unit/kv/random_commands.h"

namespace matricula::kv::test {
namespace {

constexpr int kSeeds = 300;
constexpr int kGroupsPerSeed = 60;

std::unique_ptr<Mvcc> MustOpen(storage::Engine& engine) {
  auto opened = Mvcc::Open(engine);
  REQUIRE(opened.ok());
  return std::move(opened).value();
}

Model::Rows CountRows(const storage::Engine& engine) {
  Model::Rows rows;
  const auto walk = engine.NewIterator({});
  for (walk->Seek(""); walk->Valid(); walk->Next()) {
    if (walk->key().front() == kKeyTable) ++rows.keys;
    if (walk->key().front() == kVersionTable) ++rows.versions;
  }
  return rows;
}

class Run {
 public:
  explicit Run(uint64_t seed) : random_(seed), store_(MustOpen(engine_)) {}

  void Go() {
    for (int group = 0; group < kGroupsPerSeed; ++group) {
      ApplyGroup();
      for (int i = 0; i < 3; ++i) CheckRange();
      CheckLeases();
      if (random_.OneIn(4)) CheckHash();
      if (random_.OneIn(3)) REQUIRE(store_->CleanUp(1 + static_cast<int>(random_.Below(8))).ok());
      if (random_.OneIn(8)) store_ = MustOpen(engine_);
      if (random_.OneIn(12)) Crash();
      if (random_.OneIn(12)) CheckCleanUp();
    }
  }

 private:
  void ApplyGroup() {
    std::vector<Command> group;
    for (uint64_t more = 1 + random_.Below(6); more > 0; --more) {
      group.push_back(random_.Any(model_.revision()));
    }
    std::vector<LogCommand> entries;
    for (const Command& command : group)
      entries.push_back({log_.size() + entries.size() + 1, &command});
    const auto durability =
        random_.OneIn(2) ? storage::Durability::kSynced : storage::Durability::kBuffered;
    const auto outcomes = store_->Apply(entries, durability);
    REQUIRE(outcomes.ok());
    REQUIRE(outcomes->size() == group.size());
    for (size_t i = 0; i < group.size(); ++i) {
      INFO(group[i].ShortDebugString());
      REQUIRE(Describe((*outcomes)[i]) == Describe(model_.Apply(group[i])));
    }
    log_.insert(log_.end(), group.begin(), group.end());
    CheckProgress();
  }

  void CheckProgress() {
    REQUIRE(store_->revision() == model_.revision());
    REQUIRE(store_->compacted_revision() == model_.compacted());
    REQUIRE(store_->applied_index() == log_.size());
  }

  void CheckRange() {
    const auto request = random_.RangeRequest(model_.revision());
    INFO(request.ShortDebugString());
    const auto expected = model_.Range(request);
    const auto actual = store_->Range(request);
    REQUIRE(actual.status() == expected.status());
    if (actual.ok()) REQUIRE(actual->ShortDebugString() == expected->ShortDebugString());
  }

  void CheckLeases() {
    const auto leases = store_->Leases();
    REQUIRE(leases.ok());
    REQUIRE(std::map(leases->begin(), leases->end()) == model_.leases());
    const int64_t lease = random_.Lease();
    REQUIRE(*store_->LeaseKeys(lease) ==
            (lease == 0 ? std::vector<std::string>() : model_.LeaseKeys(lease)));
  }

  void CheckHash() {
    const auto span = static_cast<uint64_t>(model_.revision() - model_.compacted());
    const int64_t at = model_.revision() - static_cast<int64_t>(random_.Below(span + 2));
    const auto hash = store_->HashKv(at);
    if (at > 0 && at <= model_.compacted()) {
      CHECK(hash.status().code() == base::Code::kOutOfRange);
      return;
    }
    REQUIRE(hash.ok());
    REQUIRE(hash->hash() == model_.HashKv(at == 0 ? model_.revision() : at));
    REQUIRE(hash->compact_revision() == model_.compacted());
  }

  // What was synced is there; of the rest, a beginning.
  void Crash() {
    engine_.Crash(random_.Below(4));
    store_ = MustOpen(engine_);
    REQUIRE(store_->applied_index() >= engine_.marked_index());
    REQUIRE(store_->applied_index() <= log_.size());
    log_.resize(store_->applied_index());
    model_ = Model();
    for (const Command& command : log_) model_.Apply(command);
    CheckProgress();
  }

  void CheckCleanUp() {
    while (store_->NeedsCleanUp()) REQUIRE(store_->CleanUp(5).ok());
    REQUIRE(CountRows(engine_) == model_.RowsAfterCleanUp());
  }

  RandomCommands random_;
  ForgetfulEngine engine_;
  std::unique_ptr<Mvcc> store_;
  Model model_;
  std::vector<Command> log_;
};

}  // namespace

TEST_CASE("the store answers as the model does") {
  const uint64_t first_seed = std::random_device()();
  for (uint64_t seed = first_seed; seed < first_seed + kSeeds; ++seed) {
    INFO("seed " << seed);
    Run(seed).Go();
  }
}

}  // namespace matricula::kv::test
