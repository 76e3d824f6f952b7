#include "common/kv/replicated_mvcc.h"

#include <catch2/catch.hpp>

#include "common/base/clock.h"
#include "common/kv/watch_hub.h"
#include "test/unit/replication/faulty_engine.h"

namespace matricula::kv {
namespace {

using raft::Index;
using raft::NodeId;
using raft::Term;
using replication::FaultyEngine;

raft::SnapshotMeta Meta(uint64_t index) {
  raft::SnapshotMeta meta{Index(index), Term(1), {}};
  meta.conf.voters = {NodeId(1)};
  return meta;
}

std::string PutCommand(const std::string& key, const std::string& value) {
  Command command;
  command.mutable_put()->set_key(key);
  command.mutable_put()->set_value(value);
  return command.SerializeAsString();
}

std::unique_ptr<ReplicatedMvcc> MustOpen(storage::Engine& engine,
                                         ReplicatedMvcc::Hooks hooks = {}) {
  auto machine = ReplicatedMvcc::Open(engine, std::move(hooks));
  INFO(machine.status());
  REQUIRE(machine.ok());
  return std::move(machine).value();
}

Outcome Apply(ReplicatedMvcc& machine, uint64_t index, const std::string& bytes) {
  std::any answer;
  const replication::Command command{Index(index), Term(1), bytes, nullptr, &answer};
  REQUIRE(machine.Apply(std::span(&command, 1), Meta(index)).ok());
  return std::any_cast<Outcome>(answer);
}

std::string ValueOf(ReplicatedMvcc& machine, const std::string& key) {
  etcdserverpb::RangeRequest request;
  request.set_key(key);
  const auto response = machine.mvcc().Range(request);
  REQUIRE(response.ok());
  return response->kvs().empty() ? "" : response->kvs(0).value();
}

void Transfer(ReplicatedMvcc& from, ReplicatedMvcc& to) {
  const auto source = from.PinSnapshot();
  REQUIRE(source != nullptr);
  REQUIRE(source->Prepare().ok());
  REQUIRE(to.Stage(0, *source->Read(0, source->TotalBytes())).ok());
  REQUIRE(to.CheckStaged(source->meta()).ok());
  REQUIRE(to.InstallStaged(source->meta()).ok());
}

TEST_CASE("replicated store: commands are answered, and the note is kept with the data") {
  FaultyEngine engine;
  std::vector<std::string> contexts;
  int applied = 0;
  {
    const auto machine = MustOpen(engine, {[&](const Command&, const Outcome&) { ++applied; },
                                           [&](const raft::ConfState&, std::string_view context) {
                                             contexts.emplace_back(context);
                                           },
                                           {}});
    CHECK(machine->Applied() == raft::SnapshotMeta{});
    const int writes = engine.writes;
    const Outcome outcome = Apply(*machine, 1, PutCommand("k", "v"));
    CHECK(outcome.status.ok());
    CHECK(std::get<etcdserverpb::PutResponse>(outcome.response).header().revision() == 2);
    CHECK(engine.writes == writes + 1);
    const raft::ConfState conf = Meta(2).conf;
    const replication::Command change{Index(2), Term(1), "the address", &conf, nullptr};
    REQUIRE(machine->Apply(std::span(&change, 1), Meta(2)).ok());
  }
  CHECK(applied == 1);
  CHECK(contexts == std::vector<std::string>{"the address"});
  const auto machine = MustOpen(engine);
  CHECK(machine->Applied() == Meta(2));
  CHECK(ValueOf(*machine, "k") == "v");
  const int syncs = engine.syncs;
  REQUIRE(machine->Sync().ok());
  CHECK(engine.syncs == syncs + 1);
}

TEST_CASE(
    "replicated store: what cannot be parsed is damage, and errors of the disk come through") {
  FaultyEngine engine;
  const auto machine = MustOpen(engine);
  const replication::Command nonsense{Index(1), Term(1), "\xff\xff\xff", nullptr, nullptr};
  CHECK(machine->Apply(std::span(&nonsense, 1), Meta(1)).code() == base::Code::kDataLoss);
  const std::string bytes = PutCommand("k", "v");
  const replication::Command put{Index(1), Term(1), bytes, nullptr, nullptr};
  engine.write_error = {base::Code::kUnknown, "the disk does not answer"};
  CHECK(machine->Apply(std::span(&put, 1), Meta(1)) == engine.write_error);
}

TEST_CASE("replicated store: a snapshot replaces everything, and watches go on across it") {
  struct Sink final : WatchSink {
    bool OnResponse(const etcdserverpb::WatchResponse& response) override {
      for (const auto& event : response.events()) seen.push_back(event.kv().value());
      return true;
    }
    void OnEnd(const base::Status& status) override { end = status; }
    std::vector<std::string> seen;
    base::Status end;
  };
  FaultyEngine leader_engine;
  FaultyEngine engine;
  const auto leader = MustOpen(leader_engine);
  int replaced = 0;
  const auto machine = MustOpen(engine, {{}, {}, [&] { ++replaced; }});
  for (uint64_t i = 1; i <= 10; ++i) Apply(*leader, i, PutCommand("k", std::to_string(i)));
  for (uint64_t i = 1; i <= 4; ++i) Apply(*machine, i, PutCommand("k", std::to_string(i)));

  const base::ManualClock clock;
  WatchHub hub(machine->mvcc(), clock, {});
  machine->mvcc().SetListener(&hub);
  Sink sink;
  etcdserverpb::WatchCreateRequest request;
  request.set_key("k");
  request.set_start_revision(2);
  const auto watch = hub.Open(request, &sink);
  while (hub.RunOnce()) {
  }
  CHECK(sink.seen.size() == 4);

  machine->mvcc().BeginReplacement();
  etcdserverpb::RangeRequest range;
  range.set_key("k");
  CHECK(machine->mvcc().Range(range).status().code() == base::Code::kUnavailable);
  CHECK(machine->mvcc().Leases().status().code() == base::Code::kUnavailable);
  CHECK(machine->mvcc().HashKv(0).status().code() == base::Code::kUnavailable);
  REQUIRE(machine->mvcc().EndReplacement().ok());

  Transfer(*leader, *machine);
  CHECK(replaced == 1);
  CHECK(machine->Applied() == Meta(10));
  CHECK(ValueOf(*machine, "k") == "10");
  CHECK(machine->mvcc().HashKv(0)->hash() == leader->mvcc().HashKv(0)->hash());
  while (hub.RunOnce()) {
  }
  CHECK(sink.seen.size() == 10);
  Apply(*machine, 11, PutCommand("k", "11"));
  while (hub.RunOnce()) {
  }
  CHECK(sink.seen.back() == "11");
  machine->mvcc().SetListener(nullptr);
}

TEST_CASE(
    "replicated store: while rows are being replaced a watch waits, and wakes up afterwards") {
  struct Sink final : WatchSink {
    bool OnResponse(const etcdserverpb::WatchResponse& response) override {
      events += response.events_size();
      return true;
    }
    void OnEnd(const base::Status&) override {}
    int events = 0;
  };
  FaultyEngine engine;
  const auto machine = MustOpen(engine);
  for (uint64_t i = 1; i <= 5; ++i) Apply(*machine, i, PutCommand("k", std::to_string(i)));
  const base::ManualClock clock;
  WatchHub hub(machine->mvcc(), clock, {});
  machine->mvcc().SetListener(&hub);
  machine->mvcc().BeginReplacement();
  Sink sink;
  etcdserverpb::WatchCreateRequest request;
  request.set_key("k");
  request.set_start_revision(2);
  const auto watch = hub.Open(request, &sink);
  for (int i = 0; i < 3; ++i) hub.RunOnce();
  CHECK(sink.events == 0);
  CHECK_FALSE(hub.RunOnce());  // nobody spins meanwhile
  REQUIRE(machine->mvcc().EndReplacement().ok());
  while (hub.RunOnce()) {
  }
  CHECK(sink.events == 5);
  machine->mvcc().SetListener(nullptr);
}

// A watch that had moved here from a replica far ahead kept the delivering thread running until the
// store had come to where the watch was.
TEST_CASE("replicated store: nobody spins for a watch that is ahead of an installed snapshot") {
  struct Sink final : WatchSink {
    bool OnResponse(const etcdserverpb::WatchResponse& response) override {
      for (const auto& event : response.events()) seen.push_back(event.kv().value());
      return true;
    }
    void OnEnd(const base::Status&) override {}
    std::vector<std::string> seen;
  };
  FaultyEngine leader_engine;
  FaultyEngine engine;
  const auto leader = MustOpen(leader_engine);
  const auto machine = MustOpen(engine);
  for (uint64_t i = 1; i <= 10; ++i) Apply(*leader, i, PutCommand("k", std::to_string(i)));
  const base::ManualClock clock;
  WatchHub hub(machine->mvcc(), clock, {});
  machine->mvcc().SetListener(&hub);
  Sink sink;
  etcdserverpb::WatchCreateRequest request;
  request.set_key("k");
  request.set_start_revision(15);
  const auto watch = hub.Open(request, &sink);
  while (hub.RunOnce()) {
  }
  Transfer(*leader, *machine);
  for (int i = 0; i < 3; ++i) hub.RunOnce();
  CHECK_FALSE(hub.RunOnce());
  for (uint64_t i = 11; i <= 15; ++i) {
    Apply(*machine, i, PutCommand("k", std::to_string(i)));
    while (hub.RunOnce()) {
    }
  }
  CHECK(sink.seen == std::vector<std::string>{"14", "15"});
  machine->mvcc().SetListener(nullptr);
}

// The first watch was ended with the error; the second was told an event without a key.
TEST_CASE("replicated store: a row that cannot be read once is no empty event for the next watch") {
  struct Sink final : WatchSink {
    bool OnResponse(const etcdserverpb::WatchResponse& response) override {
      for (const auto& event : response.events()) seen.push_back(event.kv().value());
      return true;
    }
    void OnEnd(const base::Status& status) override { end = status; }
    std::vector<std::string> seen;
    base::Status end;
  };
  FaultyEngine engine;
  const auto machine = MustOpen(engine);
  for (uint64_t i = 1; i <= 3; ++i) Apply(*machine, i, PutCommand("k", std::to_string(i)));
  const base::ManualClock clock;
  WatchHub hub(machine->mvcc(), clock, {});
  etcdserverpb::WatchCreateRequest request;
  request.set_key("k");
  request.set_start_revision(2);
  Sink first;
  Sink second;
  const auto a = hub.Open(request, &first);
  const auto b = hub.Open(request, &second);
  engine.failing_gets = 1;
  while (hub.RunOnce()) {
  }
  CHECK_FALSE(first.end.ok());
  CHECK(first.seen.empty());
  CHECK(second.end.ok());
  CHECK(second.seen == std::vector<std::string>{"1", "2", "3"});
}

TEST_CASE("replicated store: rows ahead of the note make no snapshot") {
  FaultyEngine engine;
  const auto machine = MustOpen(engine);
  Apply(*machine, 1, PutCommand("k", "v"));
  // What a crash in the middle of a large group leaves: rows of entry 2, the note of entry 1.
  Command command;
  command.mutable_put()->set_key("k");
  const LogCommand entry{2, &command};
  REQUIRE(machine->mvcc().Apply(std::span(&entry, 1), storage::Durability::kBuffered).ok());
  CHECK(machine->PinSnapshot() == nullptr);
  const Outcome outcome = Apply(*machine, 2, PutCommand("k", "passed over"));
  CHECK(outcome.status.code() == base::Code::kOutcomeUnknown);
  CHECK(ValueOf(*machine, "k").empty());
  CHECK(machine->PinSnapshot() != nullptr);
}

TEST_CASE("replicated store: what a compaction leaves is cleaned up step by step") {
  FaultyEngine engine;
  const auto machine = MustOpen(engine);
  for (uint64_t i = 1; i <= 2'000; ++i) Apply(*machine, i, PutCommand("k", "v"));
  Command command;
  command.mutable_compaction()->set_revision(2'000);
  Apply(*machine, 2'001, command.SerializeAsString());
  int steps = 0;
  while (*machine->KeepHouse()) ++steps;
  CHECK(steps >= 2);
  CHECK(engine.CountKeys("d") < 5);
}

Command Change(void (*fill)(MemberChange&)) {
  Command command;
  fill(*command.mutable_member_change());
  return command;
}

TEST_CASE("replicated store: who the members are comes with the configuration, in one batch") {
  FaultyEngine engine;
  const std::string add = Change([](MemberChange& change) {
                            auto& member = *change.mutable_add()->mutable_member();
                            member.set_id(7);
                            member.add_peerurls("http://there:1");
                          }).SerializeAsString();
  const std::string introduce = Change([](MemberChange& change) {
                                  change.mutable_introduce()->mutable_member()->set_id(7);
                                  change.mutable_introduce()->mutable_member()->set_name("seven");
                                  change.mutable_introduce()->mutable_member()->add_peerurls("x");
                                  change.mutable_introduce()->set_disk_id(70);
                                }).SerializeAsString();
  const std::string impostor = Change([](MemberChange& change) {
                                 change.mutable_introduce()->mutable_member()->set_id(7);
                                 change.mutable_introduce()->set_disk_id(71);
                               }).SerializeAsString();
  {
    const auto machine = MustOpen(engine);
    const raft::ConfState conf = Meta(1).conf;
    std::any answer;
    const replication::Command joint{Index(1), Term(1), add, &conf, &answer};
    const int writes = engine.writes;
    REQUIRE(machine->Apply(std::span(&joint, 1), Meta(1)).ok());
    CHECK(engine.writes == writes + 1);
    CHECK(std::any_cast<Outcome>(answer).status.ok());
    CHECK(Apply(*machine, 2, introduce).status.ok());
    CHECK(Apply(*machine, 3, impostor).status.code() == base::Code::kFailedPrecondition);
  }
  const auto machine = MustOpen(engine);
  const auto members = machine->mvcc().KnownMembers();
  REQUIRE(members.size() == 1);
  CHECK(members[0].member().name() == "seven");
  CHECK(members[0].member().peerurls(0) == "http://there:1");
  CHECK(members[0].disk_id() == 70);
}

TEST_CASE("replicated store: what a leader decided counts in its own term only") {
  FaultyEngine engine;
  const auto machine = MustOpen(engine);
  Command command;
  command.mutable_put()->set_key("k");
  command.mutable_put()->set_value("v");
  command.set_only_in_term(2);
  CHECK(Apply(*machine, 1, command.SerializeAsString()).status.code() == base::Code::kUnavailable);
  CHECK(ValueOf(*machine, "k").empty());
  command.set_only_in_term(1);
  CHECK(Apply(*machine, 2, command.SerializeAsString()).status.ok());
  CHECK(ValueOf(*machine, "k") == "v");
}

TEST_CASE("replicated store: data from before there was a log begins one where it stands") {
  FaultyEngine engine;
  {
    const auto mvcc = Mvcc::Open(engine);
    REQUIRE(mvcc.ok());
    Command put;
    put.mutable_put()->set_key("k");
    put.mutable_put()->set_value("old");
    const LogCommand entry{41, &put};
    REQUIRE((*mvcc)->Apply(std::span(&entry, 1), storage::Durability::kSynced).ok());
  }
  {
    const auto machine = MustOpen(engine);
    CHECK(!machine->HasHistory());
    REQUIRE(machine->Adopt(Term(1), Meta(1).conf).ok());
  }
  const auto machine = MustOpen(engine);
  CHECK(machine->HasHistory());
  CHECK(machine->Applied() == Meta(41));
  CHECK(Apply(*machine, 42, PutCommand("l", "new")).status.ok());
  CHECK(ValueOf(*machine, "k") == "old");
  CHECK(ValueOf(*machine, "l") == "new");
}

}  // namespace
}  // namespace matricula::kv
