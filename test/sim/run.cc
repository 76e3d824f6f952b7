#include "test/sim/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "test/sim/clients.h"
#include "test/sim/cluster.h"
#include "test/sim/enrollment.h"
#include "test/sim/nemesis.h"
#include "test/sim/settings.h"
#include "test/sim/truth.h"
#include "test/sim/watchers.h"

namespace matricula::sim {
namespace {

class Drama {
 public:
  explicit Drama(uint64_t seed, bool verbose);

  void Play();
  Report MakeReport() const;

 private:
  void Safety();
  void Liveness();
  void Look();
  bool AllIdle() const;
  bool AllEqual();
  void Await(const std::string& what, absl::AnyInvocable<bool()> done);
  void CheckReplicas();
  void CheckAdditions();

  Settings settings_;
  World world_;
  Truth truth_;
  Cluster cluster_;
  Nemesis nemesis_;
  Seats seats_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
  Enrollment enrollment_;
};

Drama::Drama(uint64_t seed, bool verbose)
    : settings_(seed),
      world_(seed),
      truth_(world_),
      cluster_(world_, settings_, truth_),
      nemesis_(world_, settings_, cluster_),
      seats_(world_, truth_),
      enrollment_(world_, cluster_, truth_, settings_.portals, settings_.enrollments,
                  settings_.think_ns) {
  world_.SetVerbose(verbose);
  for (int i = 0; i < settings_.register_clients; ++i) {
    clients_.push_back(std::make_unique<Client>(world_, cluster_, i + 1, settings_.think_ns));
  }
  for (int i = 0; i < settings_.watchers; ++i) {
    watchers_.push_back(std::make_unique<Watcher>(world_, cluster_, truth_));
  }
}

void Drama::Play() {
  Safety();
  if (!world_.failure()) Liveness();
  if (!world_.failure()) Look();
}

void Drama::Safety() {
  cluster_.Start();
  nemesis_.Start();
  for (const auto& client : clients_) client->Start();
  for (const auto& watcher : watchers_) watcher->Start();
  enrollment_.Start();
  while (world_.now_ns() < settings_.safety_ns && !world_.failure()) {
    world_.RunUntil(world_.now_ns() + kSecond);
    seats_.Look();
  }
}

// With the faults over, everything that waits must come to an end, and the group to one state.
void Drama::Liveness() {
  nemesis_.Stop();
  for (const auto& client : clients_) client->Stop();
  enrollment_.Stop();
  Await("the group is whole and led", [this] { return cluster_.IsSettled(); });
  Await("every request has ended", [this] { return AllIdle(); });
  for (const auto& client : clients_) client->Probe();
  Await("everybody is served", [this] {
    return std::all_of(clients_.begin(), clients_.end(),
                       [](const auto& client) { return client->probed(); });
  });
  bool checked = false;
  enrollment_.Check([&checked] { checked = true; });
  Await("the store has been checked", [&checked] { return checked; });
  Await("all watches have seen everything", [this] {
    return std::all_of(watchers_.begin(), watchers_.end(),
                       [](const auto& watcher) { return watcher->UpToDate(); });
  });
  // Last, because it must be so when everything is looked at: the operator still replaces disks.
  Await("all replicas have applied everything", [this] { return AllEqual(); });
}

void Drama::Await(const std::string& what, absl::AnyInvocable<bool()> done) {
  if (world_.failure()) return;
  const int64_t deadline_ns = world_.now_ns() + settings_.patience_ns;
  if (world_.RunUntil(deadline_ns, std::move(done)) || world_.failure()) return;
  world_.Fail(fmt::format("{} s after the last fault it is still not so that {}",
                          settings_.patience_ns / kSecond, what));
}

bool Drama::AllIdle() const {
  return enrollment_.idle() && std::all_of(clients_.begin(), clients_.end(),
                                           [](const auto& client) { return client->idle(); });
}

bool Drama::AllEqual() {
  Replica* leader = cluster_.Leader();
  if (leader == nullptr || !cluster_.IsSettled()) return false;
  const raft::Index last = leader->driver()->core().last_index();
  return std::all_of(cluster_.wanted().begin(), cluster_.wanted().end(), [&](raft::NodeId id) {
    const Replica* replica = cluster_.Find(id);
    return replica->up() && replica->applied() == last;
  });
}

void Drama::Look() {
  seats_.Look();
  CheckReplicas();
  CheckAdditions();
  for (const auto& watcher : watchers_) watcher->Stop();
  // What is still on the wire may refer to what is about to go.
  world_.RunUntil(world_.now_ns() + 30 * kSecond);
}

// Equal at the same index: what exists (against the model), and every change that led there. Only a
// disk that was damaged, and where nobody has come across the damage yet, may refuse to be read.
void Drama::CheckReplicas() {
  std::set<uint32_t> hashes;
  for (const raft::NodeId id : cluster_.wanted()) {
    Replica& replica = *cluster_.Find(id);
    base::Status status = replica.machine().CheckState();
    const auto hash = replica.mvcc().HashKv(0);
    if (status.ok()) status = hash.status();
    if (status.ok()) {
      hashes.insert(hash->hash());
    } else if (status.code() != base::Code::kDataLoss || !replica.damaged()) {
      return world_.Fail("a state cannot be read: " + status.message());
    }
  }
  if (hashes.size() != 1) world_.Fail("replicas have different histories at the same index");
}

// Each addition that was told to be done was done once; none that was not asked for.
void Drama::CheckAdditions() {
  std::set<std::string> done;
  std::set<std::string> unknown;
  for (const auto& client : clients_) {
    done.insert(client->done().begin(), client->done().end());
    unknown.insert(client->unknown().begin(), client->unknown().end());
  }
  etcdserverpb::TxnRequest txn;
  auto& names = *txn.add_success()->mutable_request_range();
  names.set_key(Client::kAdditionPrefix);
  names.set_range_end("addition0");
  for (int counter = 0; counter < Client::kCounters; ++counter) {
    txn.add_success()->mutable_request_range()->set_key(Client::CounterKey(counter));
  }
  const auto state = truth_.model().Read(txn, truth_.model().revision());
  for (const auto& pair : state.responses(0).response_range().kvs()) {
    if (done.erase(pair.key()) == 0 && !unknown.contains(pair.key())) {
      world_.Fail(pair.key() + " was done, and nobody was told");
    }
  }
  if (!done.empty()) world_.Fail(*done.begin() + " was told to be done, and was not");
  int64_t counted = 0;
  for (int counter = 1; counter <= Client::kCounters; ++counter) {
    const auto& found = state.responses(counter).response_range();
    if (!found.kvs().empty()) counted += std::stoll(found.kvs(0).value());
  }
  if (counted != state.responses(0).response_range().kvs_size()) {
    world_.Fail(fmt::format("the counters say {}, but {} additions were done", counted,
                            state.responses(0).response_range().kvs_size()));
  }
}

Report Drama::MakeReport() const {
  Report report;
  report.seed = settings_.seed;
  report.failure = world_.failure();
  if (report.failure) *report.failure += "\n  " + settings_.Describe();
  report.trace_hash = world_.trace_hash();
  report.simulated_s = static_cast<double>(world_.now_ns()) / kSecond;
  report.events = world_.events();
  for (const auto& client : clients_) report.requests += client->requests();
  report.requests += enrollment_.requests();
  report.checks = truth_.checks() + const_cast<Cluster&>(cluster_).safety().checks();
  for (const auto& watcher : watchers_) report.checks += watcher->events();
  report.elections = const_cast<Cluster&>(cluster_).safety().elections();
  report.faults = nemesis_.faults();
  return report;
}

}  // namespace

Report Run(uint64_t seed, bool verbose) {
  auto drama = std::make_unique<Drama>(seed, verbose);
  drama->Play();
  Report report = drama->MakeReport();
  if (report.failure) (void)drama.release();  // see the header
  return report;
}

}  // namespace matricula::sim
