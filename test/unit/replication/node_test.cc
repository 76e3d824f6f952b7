#include "common/replication/node.h"

#include <catch2/catch.hpp>

#include <chrono>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>

#include "common/replication/engine_log_store.h"
#include "test/unit/replication/faulty_engine.h"
#include "test/unit/replication/map_machine.h"

namespace matricula::replication {
namespace {

using base::Code;
using raft::NodeId;

// Members on threads of their own, with the network between them a function call.
class Nodes {
 public:
  struct Member final : Transport {
    Member(Nodes& owner, NodeId self) : nodes(owner), id(self) {}
    void Send(raft::Message message) override { nodes.Deliver(std::move(message)); }

    Nodes& nodes;
    NodeId id;
    FaultyEngine engine;
    std::unique_ptr<EngineLogStore> log;
    std::unique_ptr<MapMachine> machine;
    std::unique_ptr<Node> node;
    std::promise<base::Status> fatal;
  };

  explicit Nodes(int size, std::function<void(Node::Options&)> adjust = {}) {
    for (int i = 1; i <= size; ++i) first_conf_.voters.push_back(NodeId(i));
    for (int i = 1; i <= size; ++i) Start(i, adjust);
  }
  ~Nodes() {
    for (auto& [id, member] : members_) member->node->Stop(0);
    closed_ = true;
  }

  Node& operator[](int id) { return *members_.at(id)->node; }
  Member& At(int id) { return *members_.at(id); }

  void Deliver(raft::Message message) {
    const int to = static_cast<int>(message.to.value());
    const base::MutexLock lock(mutex_);
    if (closed_ || cut_ == to || cut_ == static_cast<int>(message.from.value())) return;
    const auto found = members_.find(to);
    if (found != members_.end() && found->second->node) {
      found->second->node->Receive(std::move(message));
    }
  }
  void Cut(int id) {
    const base::MutexLock lock(mutex_);
    cut_ = id;
  }

  int Leader() {
    for (int patience = 0; patience < 2'000; ++patience) {
      for (auto& [id, member] : members_) {
        const Node::Summary summary = member->node->summary();
        if (summary.standing.role == raft::Role::kLeader && id != cut_ &&
            summary.commit >= summary.last && summary.failure.ok()) {
          return id;
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    FAIL("nobody leads");
    return 0;
  }

  base::Result<std::any> Propose(int id, const std::string& command) {
    std::promise<base::Result<std::any>> promise;
    auto future = promise.get_future();
    (*this)[id].Propose(
        command, [&](base::Result<std::any> result) { promise.set_value(std::move(result)); });
    return future.get();
  }

  base::Result<raft::Index> Read(int id) {
    std::promise<base::Result<raft::Index>> promise;
    auto future = promise.get_future();
    (*this)[id].Read([&](base::Result<raft::Index> result) { promise.set_value(result); });
    return future.get();
  }

 private:
  void Start(int id, const std::function<void(Node::Options&)>& adjust) {
    auto owned = std::make_unique<Member>(*this, NodeId(id));
    Member& member = *owned;
    member.machine = MapMachine::Open(member.engine).value();
    member.log = EngineLogStore::Open(member.engine).value();
    Node::Options options;
    options.tick_ms = 5;
    options.driver.raft.id = NodeId(id);
    options.driver.raft.seed = static_cast<uint64_t>(id);
    options.driver.raft.election_ticks = 20;
    options.driver.raft.compaction_margin = 20;
    options.driver.compaction_step = 10;
    options.driver.first_conf = first_conf_;
    options.driver.one_engine = true;
    options.on_fatal = [&member](const base::Status& status) { member.fatal.set_value(status); };
    if (adjust) adjust(options);
    auto node = Node::Start(options, *member.log, member, *member.machine, base::SystemClock());
    REQUIRE(node.ok());
    const base::MutexLock lock(mutex_);
    member.node = std::move(node).value();
    members_.emplace(id, std::move(owned));
  }

  raft::ConfState first_conf_;
  std::map<int, std::unique_ptr<Member>> members_;
  base::Mutex mutex_;
  std::atomic<int> cut_{0};
  std::atomic<bool> closed_{false};
};

std::string TextOf(const base::Result<std::any>& result) {
  return std::any_cast<std::string>(*result);
}

TEST_CASE("node: many threads propose and read at once, and batches form by themselves") {
  Nodes nodes(1);
  nodes.Leader();
  const int syncs = nodes.At(1).engine.syncs;
  constexpr int kThreads = 4;
  constexpr int kEach = 200;
  std::atomic<int> done{0};
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kEach; ++i) {
        const std::string key = "k" + std::to_string(thread);
        nodes[1].Propose(key + "=" + std::to_string(i),
                         [&](base::Result<std::any> result) { result.ok() ? ++done : ++failed; });
        nodes[1].Read([&](base::Result<raft::Index> result) { result.ok() ? ++done : ++failed; });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(nodes.Read(1).ok());
  for (int patience = 0; done + failed < 2 * kThreads * kEach && patience < 1'000; ++patience) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK(done == 2 * kThreads * kEach);
  CHECK(failed == 0);
  CHECK(nodes.At(1).engine.syncs - syncs < kThreads * kEach);
}

TEST_CASE("node: three members agree, and any of them takes any call") {
  Nodes nodes(3);
  nodes.Leader();
  for (int i = 0; i < 30; ++i) {
    const auto result = nodes.Propose(1 + i % 3, "k=" + std::to_string(i));
    INFO(result.status());
    REQUIRE(result.ok());
    if (i > 0) REQUIRE(TextOf(result) == std::to_string(i - 1));
  }
  for (int id = 1; id <= 3; ++id) {
    REQUIRE(nodes.Read(id).ok());
    CHECK(nodes.At(id).machine->Contents().at("k") == "29");
  }
}

TEST_CASE("node: a member that was cut off gets a snapshot") {
  Nodes nodes(3);
  const int away = nodes.Leader() % 3 + 1;
  nodes.Cut(away);
  const int leader = nodes.Leader();
  for (int i = 0; i < 200; ++i) {
    REQUIRE(nodes.Propose(leader, "k" + std::to_string(i) + "=" + std::to_string(i)).ok());
  }
  nodes.Cut(0);
  for (int patience = 0; patience < 1'000; ++patience) {
    if (nodes[away].summary().applied >= raft::Index(200)) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  REQUIRE(nodes.Read(away).ok());
  CHECK(nodes.At(away).machine->Contents().size() == 200);
}

TEST_CASE("node: leadership moves on request, and a stopping leader hands it over") {
  Nodes nodes(3);
  const int leader = nodes.Leader();
  const int target = leader % 3 + 1;
  const auto transfer = [&](int from, NodeId to) {
    std::promise<base::Result<raft::Term>> promise;
    nodes[from].TransferLeadership(to,
                                   [&](base::Result<raft::Term> term) { promise.set_value(term); });
    return promise.get_future().get();
  };
  CHECK(transfer(target, NodeId(target)).status().code() == Code::kFailedPrecondition);
  CHECK(transfer(leader, NodeId(77)).status().code() == Code::kFailedPrecondition);
  CHECK(transfer(leader, NodeId(leader)).ok());
  REQUIRE(transfer(leader, NodeId(target)).ok());
  CHECK(nodes.Leader() == target);

  REQUIRE(nodes.Propose(target, "before=1").ok());
  const auto begin = std::chrono::steady_clock::now();
  nodes[target].Stop(5'000);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
  CHECK(nodes[target].summary().standing.role != raft::Role::kLeader);
  CHECK(nodes.Propose(target, "after=1").status().code() == Code::kUnavailable);
  CHECK(nodes.Read(target).status().code() == Code::kUnavailable);
  CHECK(transfer(target, NodeId(1)).status().code() == Code::kUnavailable);
  nodes[target].Stop(5'000);  // once is enough
}

TEST_CASE("node: a transfer to a member that does not answer is given up") {
  Nodes nodes(3);
  const int leader = nodes.Leader();
  const int dead = leader % 3 + 1;
  nodes.Cut(dead);
  std::promise<base::Result<raft::Term>> promise;
  nodes[leader].TransferLeadership(NodeId(dead),
                                   [&](base::Result<raft::Term> term) { promise.set_value(term); });
  CHECK(promise.get_future().get().status().code() == Code::kDeadlineExceeded);
}

TEST_CASE("node: a single member stops at once") {
  Nodes nodes(1);
  nodes.Leader();
  const auto begin = std::chrono::steady_clock::now();
  nodes[1].Stop(5'000);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
}

TEST_CASE("node: what it knows can be asked for") {
  Nodes nodes(3);
  const int leader = nodes.Leader();
  const auto describe = [&](int id) {
    std::promise<base::Result<Node::Details>> promise;
    nodes[id].Describe([&](base::Result<Node::Details> d) { promise.set_value(std::move(d)); });
    return promise.get_future().get();
  };
  const auto details = describe(leader);
  REQUIRE(details.ok());
  CHECK(details->conf.voters.size() == 3);
  CHECK(details->peers.size() == 3);
  CHECK(details->summary.standing.leader == NodeId(leader));
  nodes[leader].PeerUnreachable(NodeId(leader % 3 + 1));
  nodes[leader].Stop(0);
  CHECK(describe(leader).status().code() == Code::kUnavailable);
}

TEST_CASE("node: members change") {
  Nodes nodes(3);
  const int leader = nodes.Leader();
  const auto change = [&](int node) {
    std::promise<base::Result<std::any>> promise;
    raft::ConfChange conf_change;
    conf_change.steps = {{raft::ConfStep::Op::kRemove, NodeId(node)}};
    nodes[leader].ChangeMembers(
        conf_change, [&](base::Result<std::any> result) { promise.set_value(std::move(result)); });
    return promise.get_future().get();
  };
  CHECK(change(9).status().code() == Code::kInvalidArgument);
  CHECK(change(leader % 3 + 1).ok());
  nodes[leader].Stop(0);
  CHECK(change(leader).status().code() == Code::kUnavailable);
}

TEST_CASE("node: a failing disk is reported once, and nothing is acknowledged afterwards") {
  Nodes nodes(1);
  nodes.Leader();
  // Until the leader's own first entry is applied, that is what might fail, and too early.
  REQUIRE(nodes.Propose(1, "a=0").ok());
  nodes.At(1).engine.writes_left = 0;
  CHECK(nodes.Propose(1, "a=1").status().code() == Code::kOutcomeUnknown);
  CHECK_FALSE(nodes.At(1).fatal.get_future().get().ok());
  CHECK(nodes.Propose(1, "b=1").status().code() == Code::kUnavailable);
  CHECK_FALSE(nodes[1].summary().failure.ok());
  nodes[1].Stop(5'000);
}

TEST_CASE("node: the queue is bounded") {
  Inbox inbox({2, 10, 2, 1'000'000}, false);
  std::vector<Code> codes;
  const auto note = [&](base::Result<std::any> result) { codes.push_back(result.status().code()); };
  inbox.AddProposal("12345", note);
  inbox.AddProposal("123456", note);
  CHECK(codes == std::vector{Code::kResourceExhausted});
  inbox.AddProposal("12345", note);
  const auto note_read = [&](base::Result<raft::Index> result) {
    codes.push_back(result.status().code());
  };
  CHECK_FALSE(inbox.AddRead(note_read));
  CHECK(codes.size() == 2);
  const auto add = [&](raft::Body body) {
    CHECK_FALSE(inbox.AddMessage({NodeId(1), NodeId(2), raft::Term(1), std::move(body)}));
  };
  for (int i = 0; i < 3; ++i) add(raft::TermNotice{});
  Inbox::Content content = inbox.Take();
  CHECK(content.proposals.size() == 2);
  CHECK(content.messages.size() == 2);
  const auto large = [](size_t bytes) { return raft::Payload(std::string(bytes, 'x')); };
  add(raft::AppendRequest{{}, {}, {}, {{{}, {}, {}, large(600'000)}}});
  add(raft::SnapshotChunk{{}, {}, 0, 0, large(600'000)});
  CHECK(inbox.Take().messages.size() == 1);
  add(raft::ProposeRequest{{}, {large(600'000), large(600'000)}});
  CHECK(inbox.Take().messages.empty());
  inbox.Close();
  inbox.AddProposal("1", note);
  CHECK(codes.back() == Code::kUnavailable);
  CHECK(inbox.AddTask([](Driver&) {}));
  inbox.Quit();
  CHECK_FALSE(inbox.AddTask([](Driver&) {}));
  inbox.Await(1'000'000'000);
  CHECK(inbox.Take().tasks.size() == 1);
}

TEST_CASE("node: a helper is called once for talk that comes while the thread sleeps") {
  Inbox inbox({10, 1'000, 10, 1'000}, true);
  const auto ignore = [](auto) {};
  const raft::Message talk{NodeId(1), NodeId(2), raft::Term(1), raft::Heartbeat{}};
  const raft::Message work{NodeId(1), NodeId(2), raft::Term(1), raft::AppendReply{}};
  // The thread is awake: it will look before it sleeps.
  CHECK_FALSE(inbox.AddRead(ignore));
  inbox.Await(60'000'000'000);
  CHECK(inbox.Take().reads.size() == 1);

  std::atomic<bool> over{false};
  std::thread sleeper([&] {
    while (!over) inbox.Await(60'000'000'000);
  });
  while (!inbox.AddMessage(talk)) {  // not asleep yet
    (void)inbox.Take();
    std::this_thread::yield();
  }
  CHECK_FALSE(inbox.AddMessage(talk));
  CHECK_FALSE(inbox.AddRead(ignore));
  const auto taken = inbox.TakeTalk();
  REQUIRE(taken);
  CHECK(taken->messages.size() == 2);
  CHECK(taken->reads.size() == 1);
  CHECK(inbox.AddRead(ignore));
  over = true;
  CHECK_FALSE(inbox.AddMessage(work));
  sleeper.join();
  CHECK_FALSE(inbox.TakeTalk());
  CHECK(inbox.Take().messages.size() == 1);
  inbox.Wake();
  inbox.Await(60'000'000'000);
}

// A thread for the small steps of all nodes, as rpc::Loop is in the daemon.
class Helper {
 public:
  Helper() : thread_([this] { Run(); }) {}
  ~Helper() {
    Do([this] { over_ = true; });
    thread_.join();
  }
  void Do(Node::Options::Task task) {
    const base::MutexLock lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.NotifyOne();
  }
  std::thread::id id() const { return thread_.get_id(); }

 private:
  void Run() {
    while (!over_) {
      std::vector<Node::Options::Task> tasks;
      {
        const base::MutexLock lock(mutex_);
        while (tasks_.empty()) changed_.Wait(mutex_);
        tasks.swap(tasks_);
      }
      for (Node::Options::Task& task : tasks) std::move(task)();
    }
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<Node::Options::Task> tasks_ GUARDED_BY(mutex_);
  bool over_ = false;
  std::thread thread_;
};

TEST_CASE("node: a read of a quiet group wakes no node's thread") {
  Helper helper;
  Nodes nodes(3, [&](Node::Options& options) {
    options.tick_ms = 50;
    options.helper = [&](Node::Options::Task task) { helper.Do(std::move(task)); };
  });
  const int leader = nodes.Leader();
  REQUIRE(nodes.Propose(leader, "a=1").ok());
  int by_helper = 0;
  constexpr int kReads = 60;
  for (int i = 0; i < kReads; ++i) {
    std::promise<std::thread::id> answered;
    nodes[1 + i % 3].Read([&](base::Result<raft::Index> result) {
      REQUIRE(result.ok());
      answered.set_value(std::this_thread::get_id());
    });
    by_helper += answered.get_future().get() == helper.id();
  }
  // Now and then a tick, or the end of a proposal, has a thread awake.
  CHECK(by_helper > kReads / 2);
}

TEST_CASE("node: threads and helper take turns, and an end in between harms nobody") {
  Helper helper;
  std::atomic<int> open{0};
  {
    Nodes nodes(3, [&](Node::Options& options) {
      options.helper = [&](Node::Options::Task task) { helper.Do(std::move(task)); };
    });
    nodes.Leader();
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 3; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < 300; ++i) {
          const int id = 1 + (thread + i) % 3;
          open += 2;
          nodes[id].Propose("k=" + std::to_string(i), [&](base::Result<std::any>) { --open; });
          nodes[id].Read([&](base::Result<raft::Index>) { --open; });
          if (i % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(open == 0);
}

TEST_CASE("node: its end answers everybody") {
  Nodes nodes(3);
  const int leader = nodes.Leader();
  nodes.Cut(leader);
  std::promise<Code> proposal;
  std::promise<Code> read;
  nodes[leader].Propose(
      "a=1", [&](base::Result<std::any> result) { proposal.set_value(result.status().code()); });
  nodes[leader].Read(
      [&](base::Result<raft::Index> result) { read.set_value(result.status().code()); });
  nodes[leader].Stop(0);
  const Code code = proposal.get_future().get();
  CHECK((code == Code::kOutcomeUnknown || code == Code::kUnavailable));
  CHECK(read.get_future().get() == Code::kUnavailable);
}

}  // namespace
}  // namespace matricula::replication
