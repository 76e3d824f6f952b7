#include "test/scenario/runner.h"

#include <cstdlib>
#include <iostream>
#include <utility>

namespace matricula::raft::testing {
namespace {

constexpr int kMaxDeliveries = 10'000;

[[noreturn]] void Stop(const std::string& why) {
  std::cerr << "a story cannot be told: " << why << "\n";
  std::exit(2);
}

uint64_t Number(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

void Set(Config& config, const std::string& option) {
  const size_t equals = option.find('=');
  const std::string name = option.substr(0, equals);
  const std::string value = option.substr(equals + 1);
  const uint64_t number = Number(value);
  if (name == "pre-vote") {
    config.pre_vote = value == "on";
  } else if (name == "check-quorum") {
    config.check_quorum = value == "on";
  } else if (name == "election") {
    config.election_ticks = static_cast<int>(number);
  } else if (name == "chunk") {
    config.snapshot_chunk_bytes = number;
  } else if (name == "chunks") {
    config.max_inflight_chunks = static_cast<int>(number);
  } else if (name == "margin") {
    config.compaction_margin = number;
  } else if (name == "inflight") {
    config.max_inflight_messages = static_cast<int>(number);
  } else if (name == "uncommitted") {
    config.max_uncommitted_bytes = number;
  } else if (name == "append") {
    config.max_append_bytes = number;
  } else {
    Stop("unknown option " + option);
  }
}

}  // namespace

const std::map<std::string, Story::Handler>& Story::Handlers() {
  static const std::map<std::string, Handler> handlers{
      {"nodes", &Story::Nodes},
      {"add", &Story::Add},
      {"campaign", &Story::Campaign},
      {"elect", &Story::Elect},
      {"tick", &Story::Tick},
      {"tick-all", &Story::TickAll},
      {"propose", &Story::Propose},
      {"read", &Story::Read},
      {"conf", &Story::Conf},
      {"transfer", &Story::Transfer},
      {"deliver", &Story::Deliver},
      {"one", &Story::DeliverFirst},
      {"together", &Story::Together},
      {"copy", &Story::Copy},
      {"drop", &Story::Drop},
      {"settle", &Story::Settle},
      {"cut", &Story::Cut},
      {"cut-one-way", &Story::CutOneWay},
      {"isolate", &Story::Isolate},
      {"heal", &Story::Heal},
      {"hold-disk", &Story::HoldDisk},
      {"release-disk", &Story::ReleaseDisk},
      {"crash", &Story::Crash},
      {"restart", &Story::Restart},
      {"flush", &Story::Flush},
      {"compact", &Story::Compact},
      {"unreachable", &Story::Unreachable},
      {"gone", &Story::Gone},
      {"hold-snapshots", &Story::HoldSnapshots},
      {"make-snapshots", &Story::MakeSnapshots},
      {"spoil-snapshots", &Story::SpoilSnapshots},
      {"good-snapshots", &Story::GoodSnapshots},
      {"status", &Story::Status},
      {"log", &Story::Log},
      {"state", &Story::State},
      {"wire", &Story::Wire},
  };
  return handlers;
}

std::string Story::Run(const std::string& commands) {
  out_.clear();
  std::istringstream lines(commands);
  for (std::string line; std::getline(lines, line);) {
    quiet_ = !line.empty() && line[0] == '-';
    std::istringstream in(quiet_ ? line.substr(1) : line);
    std::string name;
    in >> name;
    const auto handler = Handlers().find(name);
    if (handler == Handlers().end()) Stop("unknown command: " + line);
    if (!cluster_ && name != "nodes") Stop("the first command must be: nodes");
    (this->*handler->second)(in);
  }
  return std::exchange(out_, {});
}

void Story::Print(const std::string& lines, const std::string& prefix) {
  if (quiet_) return;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) out_ += prefix + line + "\n";
}

TestNode& Story::Node(Arguments& in) {
  uint64_t id = 0;
  in >> id;
  if (!cluster_->Has(id)) Stop("there is no node " + std::to_string(id));
  return (*cluster_)[id];
}

void Story::Collect() {
  cluster_->Collect();
  for (auto& [id, node] : cluster_->nodes()) {
    Print(std::exchange(node->trace, {}), Describe(id) + "  ");
  }
}

void Story::Nodes(Arguments& in) {
  int voters = 0;
  in >> voters;
  std::vector<std::string> options;
  for (std::string option; in >> option;) options.push_back(option);
  cluster_ = std::make_unique<Cluster>(voters, [options](Config& config) {
    for (const std::string& option : options) Set(config, option);
  });
}

void Story::Add(Arguments& in) {
  uint64_t id = 0;
  in >> id;
  cluster_->Add(id);
}

void Story::Campaign(Arguments& in) {
  Node(in).core().Campaign();
  Collect();
}

void Story::Elect(Arguments& in) {
  cluster_->Elect(Node(in).id().value());
  Collect();
}

void Story::Tick(Arguments& in) {
  TestNode& node = Node(in);
  int ticks = 1;
  in >> ticks;
  for (int i = 0; i < std::max(ticks, 1); ++i) node.core().Tick();
  Collect();
}

void Story::TickAll(Arguments& in) {
  int ticks = 1;
  in >> ticks;
  for (int i = 0; i < std::max(ticks, 1); ++i) {
    for (auto& [id, node] : cluster_->nodes()) {
      if (node->up()) node->core().Tick();
    }
    Settle(in);
  }
}

void Story::Propose(Arguments& in) {
  TestNode& node = Node(in);
  std::vector<std::string> texts(1);
  for (std::string word; in >> word;) {
    if (word == "|") {
      texts.emplace_back();
    } else {
      texts.back() += (texts.back().empty() ? "" : " ") + word;
    }
  }
  for (const std::string& text : texts) Print(Describe(node.core().Propose({text})));
  Collect();
}

void Story::Read(Arguments& in) {
  const ReadTicket read = Node(in).core().ReadIndex();
  Print(read.ticket ? "asked as " + Describe(*read.ticket) : "refused");
  Collect();
}

void Story::Conf(Arguments& in) {
  TestNode& node = Node(in);
  ConfChange change;
  for (std::string word; in >> word;) {
    const NodeId id(Number(word.substr(1)));
    if (word[0] == '+')
      change.steps.push_back({ConfStep::Op::kAddVoter, id});
    else if (word[0] == '~')
      change.steps.push_back({ConfStep::Op::kAddLearner, id});
    else if (word[0] == '-')
      change.steps.push_back({ConfStep::Op::kRemove, id});
    else if (word == "joint")
      change.transition = ConfChange::Transition::kJoint;
    else if (word == "explicit")
      change.transition = ConfChange::Transition::kJointExplicit;
    else if (word != "leave")
      Stop("unknown step " + word);
  }
  Print(Describe(node.core().ProposeConfChange(change)));
  Collect();
}

void Story::Transfer(Arguments& in) {
  TestNode& node = Node(in);
  uint64_t target = 0;
  in >> target;
  Print(Describe(node.core().TransferLeadership(NodeId(target))));
  Collect();
}

std::deque<Message> Story::TakeFromWire(Arguments& in) {
  std::string pair;
  in >> pair;
  std::deque<Message> taken;
  std::deque<Message> rest;
  for (Message& message : cluster_->wire) {
    const std::string name =
        std::to_string(message.from.value()) + ">" + std::to_string(message.to.value());
    (pair.empty() || pair == name ? taken : rest).push_back(std::move(message));
  }
  cluster_->wire = std::move(rest);
  return taken;
}

void Story::Hand(Message message) {
  Print(Describe(message));
  const uint64_t to = message.to.value();
  cluster_->wire.push_front(std::move(message));
  cluster_->DeliverOne();
  if (!cluster_->Has(to) || !(*cluster_)[to].up()) return Print("  nobody hears");
  const base::Status status = std::exchange((*cluster_)[to].last_step, base::OkStatus());
  if (!status.ok()) Print("  refused: " + status.ToString());
}

void Story::Deliver(Arguments& in) {
  for (Message& message : TakeFromWire(in)) {
    Hand(std::move(message));
    Collect();
  }
}

void Story::Together(Arguments& in) {
  for (Message& message : TakeFromWire(in)) Hand(std::move(message));
  Collect();
}

void Story::Copy(Arguments& in) {
  const std::deque<Message> messages = TakeFromWire(in);
  for (int i = 0; i < 2; ++i) {
    cluster_->wire.insert(cluster_->wire.end(), messages.begin(), messages.end());
  }
}

void Story::DeliverFirst(Arguments& in) {
  std::deque<Message> messages = TakeFromWire(in);
  if (messages.empty()) return Print("nothing");
  Message first = std::move(messages.front());
  messages.pop_front();
  cluster_->wire.insert(cluster_->wire.begin(), messages.begin(), messages.end());
  Hand(std::move(first));
  Collect();
}

void Story::Drop(Arguments& in) {
  for (const Message& message : TakeFromWire(in)) Print("lost: " + Describe(message));
}

void Story::Settle(Arguments&) {
  Collect();
  for (int i = 0; i < kMaxDeliveries && !cluster_->wire.empty(); ++i) {
    Message message = std::move(cluster_->wire.front());
    cluster_->wire.pop_front();
    Hand(std::move(message));
    Collect();
  }
}

void Story::Cut(Arguments& in) {
  TestNode& a = Node(in);
  cluster_->Cut(a.id().value(), Node(in).id().value());
}

void Story::CutOneWay(Arguments& in) {
  TestNode& from = Node(in);
  cluster_->CutOneWay(from.id().value(), Node(in).id().value());
}

void Story::Isolate(Arguments& in) { cluster_->Isolate(Node(in).id().value()); }
void Story::Heal(Arguments&) { cluster_->Heal(); }
void Story::HoldDisk(Arguments& in) { Node(in).hold_disk = true; }

void Story::ReleaseDisk(Arguments& in) {
  Node(in).hold_disk = false;
  Collect();
}

void Story::Crash(Arguments& in) {
  TestNode& node = Node(in);
  size_t kept = 0;
  in >> kept;
  node.Crash(kept);
  node.hold_disk = false;
}

void Story::Restart(Arguments& in) {
  TestNode& node = Node(in);
  node.Restart();
  Collect();
}

void Story::Flush(Arguments& in) { Node(in).Flush(); }

void Story::Compact(Arguments& in) {
  TestNode& node = Node(in);
  node.Flush();
  node.Compact();
  Print("the log begins at " + std::to_string(node.core().first_index().value()));
}

void Story::Unreachable(Arguments& in) {
  TestNode& node = Node(in);
  uint64_t peer = 0;
  in >> peer;
  node.core().PeerUnreachable(NodeId(peer));
  Collect();
}

void Story::Gone(Arguments& in) {
  TestNode& node = Node(in);
  uint64_t peer = 0;
  in >> peer;
  node.core().PeerGone(NodeId(peer));
  Collect();
}

void Story::HoldSnapshots(Arguments& in) { Node(in).withhold_snapshots = true; }

void Story::MakeSnapshots(Arguments& in) {
  TestNode& node = Node(in);
  node.withhold_snapshots = false;
  node.MakeSnapshots();
  Collect();
}

void Story::SpoilSnapshots(Arguments& in) { Node(in).spoil_snapshots = true; }
void Story::GoodSnapshots(Arguments& in) { Node(in).spoil_snapshots = false; }

void Story::Status(Arguments& in) {
  std::set<uint64_t> wanted;
  for (uint64_t id = 0; in >> id;) wanted.insert(id);
  for (auto& [id, node] : cluster_->nodes()) {
    if (!wanted.empty() && wanted.count(id.value()) == 0) continue;
    if (!node->up()) {
      Print(Describe(id) + "  down");
      continue;
    }
    const Core& core = node->core();
    Print(Describe(id) + "  " + Describe(core.standing()) + ", last " +
          std::to_string(core.last_index().value()) + ", commit " +
          std::to_string(core.commit().value()) + ", " + Describe(core.conf()));
    for (const PeerProgress& peer : core.peers()) Print("    " + Describe(peer));
  }
}

void Story::Log(Arguments& in) {
  TestNode& node = Node(in);
  const MemoryLog& disk = node.disk();
  Print("after " + std::to_string(disk.base_index.value()) + "/" + Describe(disk.base_term));
  for (const Entry& entry : disk.entries) Print(Describe(entry));
}

void Story::State(Arguments& in) {
  std::string all;
  for (const std::string& command : Node(in).state().commands) all += " " + command;
  Print("applied:" + all);
}

void Story::Wire(Arguments&) {
  for (const Message& message : cluster_->wire) Print(Describe(message));
}

}  // namespace matricula::raft::testing
