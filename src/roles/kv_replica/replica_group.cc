#include "roles/kv_replica/replica_group.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "common/base/log.h"
#include "common/kv/errors.h"
#include "common/rpc/channel.h"
#include "common/rpc/grpc_status.h"
#include "common/storage/rocksdb_engine.h"
#include "common/store/identity.h"

namespace matricula::roles {
namespace {

using base::Code;
using base::Result;
using base::Status;

// A parcel, or an entry that travels alone.
constexpr size_t kMaxReceiveBytes = 16u << 20;
constexpr int64_t kJoinAttemptMs = 1'000;
constexpr std::chrono::milliseconds kJoinPause{200};

std::string HostOf(const std::string& address) { return address.substr(0, address.rfind(':')); }

// A server that listens everywhere is found where its peers find it.
std::string Reachable(const std::string& listen, const std::string& own_address) {
  const std::string host = HostOf(listen);
  if (host != "0.0.0.0" && host != "[::]") return listen;
  return HostOf(own_address) + listen.substr(host.size());
}

// Whether the data is that of a store with one member that has never had a log.
bool HasLonelyHistory(storage::Engine& engine) {
  if (engine.Get(kv::kNoteRow, nullptr).ok()) return false;
  const auto row = engine.Get(kv::kStateRow, nullptr);
  kv::State state;
  return row.ok() && kv::ParseState(*row, state) && state.applied_index > 0;
}

// The process ends as if it had been asked to: there is nothing left for it to do.
void OnRemoved() {
  base::log::Error("member.removed", {{"consequence", "this replica stops"}});
  kill(getpid(), SIGTERM);
}

}  // namespace

Result<std::unique_ptr<ReplicaGroup>> ReplicaGroup::Open(const Settings& settings,
                                                         const base::Clock& clock,
                                                         storage::Engine& engine,
                                                         std::shared_ptr<rpc::Loop> loop) {
  std::unique_ptr<ReplicaGroup> group(new ReplicaGroup(settings, clock, std::move(loop)));
  RETURN_IF_ERROR(group->Identify(engine));
  return group;
}

ReplicaGroup::ReplicaGroup(const Settings& settings, const base::Clock& clock,
                           std::shared_ptr<rpc::Loop> loop)
    : settings_(settings),
      clock_(clock),
      loop_(std::move(loop)),
      own_address_(settings.raft_listen) {
  const bool named = !settings.name.empty();
  std::vector<Peer> members = {{settings.name, settings.raft_listen}};
  for (const std::string& text : settings.peer) {
    const Peer peer = PeerOf(text);
    if (named && peer.name == settings.name) {
      own_address_ = members.front().address = peer.address;
    } else {
      members.push_back(peer);
    }
  }
  own_key_ = named ? settings.name : settings.raft_listen;
  introduction_.set_name(named ? settings.name : own_address_);
  introduction_.add_peerurls("http://" + own_address_);
  introduction_.add_clienturls("http://" + Reachable(settings.kv_listen, own_address_));
  founding_ = !joins() && members.size() > 1;
  if (!founding_) return;
  std::vector<std::string> keys;
  for (const Peer& member : members) {
    const std::string& key = named ? member.name : member.address;
    keys.push_back(key);
    etcdserverpb::Member& founder = founders_[store::MemberIdOf(key)];
    founder.set_name(key);
    *founder.mutable_peerurls() = {};
    founder.add_peerurls("http://" + member.address);
  }
  founded_cluster_ = store::FoundingOf(keys).cluster_id;
}

ReplicaGroup::~ReplicaGroup() { Stop(); }

// ---- who this is ----

Status ReplicaGroup::Identify(storage::Engine& engine) {
  auto found = store::FindIdentity(engine);
  RETURN_IF_ERROR(found.status());
  if (*found) {
    identity_ = **found;
    return TakeUp(engine);
  }
  return joins() ? Join(engine) : Found(engine);
}

Status ReplicaGroup::TakeUp(storage::Engine& engine) {
  const bool lonely = HasLonelyHistory(engine);
  if (lonely && (founding_ || joins())) {
    return {Code::kFailedPrecondition,
            fmt::format("{} holds the data of a store with one member: start it without --peer and "
                        "add the others to it with `etcdctl member add`",
                        settings_.data)};
  }
  // Without a log, what the flags say still counts: a crash came between the two.
  if (identity_.cluster_id != founded_cluster_) founders_.clear();
  return base::OkStatus();
}

Status ReplicaGroup::Found(storage::Engine& engine) {
  const uint64_t cluster = founding_ ? founded_cluster_ : store::RandomId();
  const uint64_t member = founding_ ? store::MemberIdOf(own_key_) : store::RandomId();
  auto identity = store::MakeIdentity(engine, cluster, member);
  RETURN_IF_ERROR(identity.status());
  identity_ = *identity;
  return base::OkStatus();
}

Status ReplicaGroup::Join(storage::Engine& engine) {
  auto answer = AskToJoin();
  RETURN_IF_ERROR(answer.status());
  auto identity = store::MakeIdentity(engine, answer->cluster_id(), answer->member_id());
  RETURN_IF_ERROR(identity.status());
  identity_ = *identity;
  base::log::Info("member.joins",
                  {{"cluster", identity_.cluster_id}, {"member", identity_.member_id}});
  return base::OkStatus();
}

// Asks the others in turn, again and again, until `settled` or out of patience.
void ReplicaGroup::AskAround(const std::function<bool(peer::Peer::Stub& other)>& settled) const {
  const int64_t deadline_ms = clock_.MonotonicMs() + kJoinPatienceMs;
  while (clock_.MonotonicMs() < deadline_ms) {
    for (const std::string& text : settings_.peer) {
      const Peer peer = PeerOf(text);
      if (peer.address == own_address_) continue;
      if (settled(*peer::Peer::NewStub(rpc::MakeChannel(peer.address)))) return;
    }
    std::this_thread::sleep_for(kJoinPause);
  }
}

// Any of them knows; one that lags behind may not know yet.
Result<peer::JoinAnswer> ReplicaGroup::AskToJoin() const {
  peer::JoinRequest request;
  request.set_address(own_address_);
  Result<peer::JoinAnswer> result =
      Status(Code::kUnavailable, "none of the --peer replicas can be reached");
  AskAround([&](peer::Peer::Stub& other) {
    grpc::ClientContext context;
    rpc::SetDeadline(context, kJoinAttemptMs);
    peer::JoinAnswer answer;
    const grpc::Status status = other.Join(&context, request, &answer);
    const Status said = rpc::FromGrpc(status);
    if (status.ok()) {
      result = std::move(answer);
    } else if (said.code() == Code::kFailedPrecondition) {
      result = said;
    } else if (said.code() == Code::kNotFound) {
      result =
          Status(Code::kFailedPrecondition, said.message() + ": use `etcdctl member add` first");
    }
    return status.ok() || said.code() == Code::kFailedPrecondition;
  });
  return result;
}

Status ReplicaGroup::Discard(const Settings& settings, const base::Clock& clock) {
  RETURN_IF_ERROR(storage::CheckNotOpenElsewhere(settings.data));
  RETURN_IF_ERROR(ReplicaGroup(settings, clock, nullptr).AskToBeReplaced());
  base::log::Warning("member.rebuilt", {{"data", settings.data}, {"consequence", "discarded"}});
  return storage::DiscardRocksDbEngine(settings.data);
}

// Only the leader can do it. Until this is done once, nothing here is touched.
Status ReplicaGroup::AskToBeReplaced() const {
  peer::Call call;
  call.mutable_rebuild()->set_address(own_address_);
  Status result(Code::kUnavailable, "none of the --peer replicas leads, or can be reached");
  AskAround([&](peer::Peer::Stub& other) {
    grpc::ClientContext context;
    rpc::SetDeadline(context, store::LeaderDesk::kAskTimeoutMs);
    peer::Answer answer;
    const Status said = rpc::FromGrpc(other.Ask(&context, call, &answer));
    const bool elsewhere = said == kv::errors::NotLeader() || said.code() == Code::kUnavailable ||
                           said.code() == Code::kDeadlineExceeded;
    if (said.ok()) {
      result = said;
    } else if (!elsewhere) {
      result = {Code::kFailedPrecondition, "not rebuilt: " + said.message()};
    }
    return said.ok();
  });
  return result;
}

peer::Hello ReplicaGroup::Self() const {
  peer::Hello self;
  self.set_version(replication::kPeerVersion);
  self.set_cluster_id(identity_.cluster_id);
  self.set_member_id(identity_.member_id);
  self.set_disk_id(identity_.disk_id);
  self.set_address(own_address_);
  return self;
}

uint64_t ReplicaGroup::DiskOf(uint64_t member) const {
  return store_.load()->membership()->DiskOf(member);
}

// ---- the links ----

store::ReplicaStore::Replication ReplicaGroup::ForStore(std::function<void(bool)> on_leader) {
  replication::PeerLinkOptions links;
  links.self = Self();
  links.clock = &clock_;
  links.loop = loop_;
  links.on_unreachable = [this](raft::NodeId peer) {
    store_.load()->group()->node().PeerUnreachable(peer);
  };
  links.on_gone = [this](raft::NodeId peer) { store_.load()->group()->node().PeerGone(peer); };
  links.disk_of = [this](uint64_t member) { return DiskOf(member); };
  transport_ = std::make_unique<replication::PeerTransport>(std::move(links));
  store::ReplicaStore::Replication replication;
  for (const auto& [id, member] : founders_) replication.founders.push_back(id);
  if (founders_.empty() && !joins()) replication.founders = {identity_.member_id};
  replication.membership.introduction = introduction_;
  replication.membership.founders = founders_;
  replication.membership.on_addresses = [this](const auto& addresses) {
    transport_->SetPeers(addresses);
  };
  replication.membership.on_removed = OnRemoved;
  replication.log_margin_entries = static_cast<uint64_t>(settings_.raft_log_entries);
  replication.max_log_bytes = static_cast<uint64_t>(settings_.raft_log_bytes);
  replication.transport = transport_.get();
  replication.ask = [this](uint64_t member, const peer::Call& call, int64_t timeout_ms,
                           base::Done<peer::Answer> done) {
    transport_->Ask(member, call, timeout_ms, std::move(done));
  };
  // No link before there is a store to serve.
  replication.on_tick = [this] {
    if (store_.load() != nullptr) transport_->Tick();
  };
  replication.on_leader = std::move(on_leader);
  return replication;
}

Status ReplicaGroup::Serve(store::ReplicaStore& store) {
  rpc::ServerOptions options;
  options.listen = settings_.raft_listen;
  options.reflection = false;
  options.max_receive_bytes = kMaxReceiveBytes;
  options.loop = loop_;
  server_ = std::make_unique<rpc::Server>(options);
  replication::PeerService::Options service;
  service.self = Self();
  service.receive = [&store](raft::Message message) {
    store.group()->node().Receive(std::move(message));
  };
  service.disk_of = [this](uint64_t member) { return DiskOf(member); };
  service.is_member = [&store](uint64_t member) { return store.membership()->IsMember(member); };
  service.on_hello = [this](const peer::Hello& hello) {
    transport_->Learn(hello.member_id(), hello.address());
  };
  service.answer = [&store](const peer::Call& call, base::Done<peer::Answer> done) {
    store.desk()->DoHere(call, std::move(done));
  };
  service.join = [&store](const peer::JoinRequest& request) {
    return store.membership()->Join(request);
  };
  store_ = &store;
  service_ = std::make_unique<replication::PeerService>(*server_, std::move(service));
  return server_->Start();
}

void ReplicaGroup::Stop() {
  if (transport_) transport_->Stop();
  if (server_) server_->Stop(0);
}

}  // namespace matricula::roles
