#pragma once

#include <catch2/catch.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/replication/driver.h"
#include "common/replication/engine_log_store.h"
#include "test/unit/replication/faulty_engine.h"
#include "test/unit/replication/map_machine.h"

namespace matricula::replication {

// What became of one call.
template <class T>
struct Fate {
  std::optional<base::Result<T>> result;
  bool known() const { return result.has_value(); }
  bool ok() const { return known() && result->ok(); }
  base::Code code() const { return known() ? result->status().code() : base::Code::kUnknown; }
};

inline std::string TextOf(const std::shared_ptr<Fate<std::any>>& fate) {
  return std::any_cast<std::string>(**fate->result);
}

// A few members in one thread: messages wait in a queue until Run delivers them, time passes when
// a test says so.
class SmallGroup {
 public:
  struct Member final : Transport {
    Member(SmallGroup& owner, raft::NodeId self) : group(owner), id(self) {}
    void Send(raft::Message message) override { group.wire.push_back(std::move(message)); }

    SmallGroup& group;
    raft::NodeId id;
    FaultyEngine engine;
    std::unique_ptr<EngineLogStore> log;
    std::unique_ptr<MapMachine> machine;
    std::unique_ptr<Driver> driver;
    std::vector<raft::Standing> standings;
  };

  explicit SmallGroup(int size, std::function<void(Driver::Options&)> adjust = {})
      : adjust_(std::move(adjust)) {
    for (int i = 1; i <= size; ++i) first_conf.voters.push_back(raft::NodeId(i));
    for (int i = 1; i <= size; ++i) {
      Add(i);
      const base::Status status = Start(i);
      INFO(status);
      REQUIRE(status.ok());
    }
  }

  Member& Add(int id) {
    return *members.emplace(id, std::make_unique<Member>(*this, raft::NodeId(id))).first->second;
  }

  Driver::Options OptionsOf(int id) {
    Driver::Options options;
    options.raft.id = raft::NodeId(id);
    options.raft.seed = id;
    options.raft.check_thoroughly = true;
    options.raft.snapshot_chunk_bytes = 200;
    options.raft.compaction_margin = 20;
    options.compaction_step = 10;
    options.first_conf = first_conf;
    options.one_engine = true;
    options.on_standing = [this, id](const raft::Standing& standing) {
      At(id).standings.push_back(standing);
    };
    if (adjust_) adjust_(options);
    return options;
  }

  base::Status Start(int id) {
    Member& member = At(id);
    auto machine = MapMachine::Open(member.engine);
    if (!machine.ok()) return machine.status();
    member.machine = std::move(machine).value();
    auto log = EngineLogStore::Open(member.engine);
    if (!log.ok()) return log.status();
    member.log = std::move(log).value();
    auto driver = Driver::Open(OptionsOf(id), *member.log, member, *member.machine);
    if (!driver.ok()) return driver.status();
    member.driver = std::move(driver).value();
    return {};
  }

  void Stop(int id) {
    Member& member = At(id);
    member.driver.reset();
    member.log.reset();
    member.machine.reset();
  }

  Member& At(int id) { return *members.at(id); }
  Driver& operator[](int id) { return *At(id).driver; }

  // Until nothing moves any more.
  void Run() {
    for (int round = 0; round < 10'000; ++round) {
      bool moved = false;
      for (auto& [id, member] : members) {
        while (member->driver && member->driver->Begin()) {
          moved = true;
          (void)member->driver->Finish();
          PrepareSnapshots(*member->driver);
        }
      }
      std::deque<raft::Message> batch = std::exchange(wire, {});
      for (raft::Message& message : batch) {
        const auto to = members.find(static_cast<int>(message.to.value()));
        const int from = static_cast<int>(message.from.value());
        if (to == members.end() || !to->second->driver || cut.contains(from) ||
            cut.contains(to->first)) {
          continue;
        }
        if (tamper) tamper(message);
        moved = true;
        to->second->driver->Receive(message);
      }
      if (!moved) return;
    }
    FAIL("the group does not come to rest");
  }

  static void PrepareSnapshots(Driver& driver) {
    while (const auto source = driver.TakeSnapshotToPrepare()) {
      driver.SnapshotPrepared(source, source->Prepare());
    }
  }

  void Tick(int ticks = 1) {
    for (; ticks > 0; --ticks) {
      for (auto& [id, member] : members) {
        if (member->driver) member->driver->Tick();
      }
      Run();
    }
  }

  int Leader() {
    for (auto& [id, member] : members) {
      if (member->driver && !cut.contains(id) && member->driver->failure().ok() &&
          member->driver->core().standing().role == raft::Role::kLeader) {
        return id;
      }
    }
    return 0;
  }

  int ElectLeader() {
    for (int i = 0; i < 200; ++i) {
      Tick();
      if (const int leader = Leader(); leader != 0) return leader;
    }
    FAIL("nobody was elected");
    return 0;
  }

  std::shared_ptr<Fate<std::any>> Propose(int id, const std::string& command) {
    auto fate = std::make_shared<Fate<std::any>>();
    (*this)[id].Propose(command, [fate](base::Result<std::any> result) {
      REQUIRE_FALSE(fate->known());
      fate->result = std::move(result);
    });
    return fate;
  }
  std::shared_ptr<Fate<raft::Index>> Read(int id) {
    auto fate = std::make_shared<Fate<raft::Index>>();
    (*this)[id].Read([fate](base::Result<raft::Index> result) {
      REQUIRE_FALSE(fate->known());
      fate->result = std::move(result);
    });
    return fate;
  }
  std::shared_ptr<Fate<std::any>> Change(int id, raft::ConfStep::Op op, int node) {
    auto fate = std::make_shared<Fate<std::any>>();
    raft::ConfChange change;
    change.steps = {{op, raft::NodeId(node)}};
    change.context = raft::Payload(std::string("address of ") + std::to_string(node));
    (*this)[id].ChangeMembers(change, [fate](base::Result<std::any> result) {
      REQUIRE_FALSE(fate->known());
      fate->result = std::move(result);
    });
    return fate;
  }

  raft::ConfState first_conf;
  std::map<int, std::unique_ptr<Member>> members;
  std::deque<raft::Message> wire;
  std::set<int> cut;  // members that no message leaves or reaches
  std::function<void(raft::Message&)> tamper;

 private:
  std::function<void(Driver::Options&)> adjust_;
};

}  // namespace matricula::replication
