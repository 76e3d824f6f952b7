#include "test/sim/replica.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/replication/coding.h"
#include "common/replication/log_format.h"

namespace matricula::sim {
namespace {

using base::Code;
using base::Status;

// From an input to the turn that takes it up: what comes in between shares it.
constexpr int64_t kThinkNs = 40 * kUs;
constexpr int64_t kPrepareNs = 5 * kMs;
// Until somebody or something starts a dead process again.
constexpr int64_t kRestartNs = 400 * kMs;
constexpr double kCheckShare = 0.02;

// Of an entry's row (log_format.h).
raft::Term TermOf(std::string_view row) {
  uint32_t checksum = 0;
  uint64_t term = 0;
  const bool whole =
      replication::TakeLittleEndian(row, checksum) && replication::TakeLittleEndian(row, term);
  return raft::Term(whole ? term : 0);
}

double DrawRate(Random& random, double max_drift) {
  return 1.0 + max_drift * (2 * random.Unit() - 1);
}

}  // namespace

Replica::Replica(World& world, const Settings& settings, Truth& truth, Network& network,
                 const Observer& observer, raft::NodeId id, raft::ConfState first_conf)
    : world_(world),
      settings_(settings),
      truth_(truth),
      network_(network),
      observer_(observer),
      id_(id),
      first_conf_(std::move(first_conf)),
      random_(world.random().Fork()),
      clock_(world, DrawRate(random_, settings.max_drift),
             static_cast<int64_t>(random_.Below(1'000)) * kSecond),
      tick_rate_(DrawRate(random_, settings.max_drift)) {
  for (int i = 0; i < (settings.two_engines ? 2 : 1); ++i) {
    disks_.push_back(std::make_unique<SimEngine>(random_.Next(), settings.batch_scale));
  }
}

Replica::~Replica() {
  if (process_) process_->hub->Close({Code::kCancelled, "the run is over"});
}

bool Replica::leads() const {
  return up() && process_->driver->failure().ok() &&
         process_->driver->core().standing().role == raft::Role::kLeader;
}

raft::Index Replica::applied() const {
  return up() ? process_->driver->applied().index : raft::Index(0);
}

// ---- life and death ----

void Replica::Start() {
  if (up() || broken_ || retired_) return;
  for (const auto& disk : disks_) {
    if (disk->powered()) continue;
    const SimEngine::Loss losses[] = {SimEngine::Loss::kNothing, SimEngine::Loss::kPrefix,
                                      SimEngine::Loss::kReordered, SimEngine::Loss::kEverything};
    disk->PowerOn(losses[random_.Below(4)]);
  }
  ++starts_;
  world_.Trace("start", id_.value(), starts_);
  auto process = std::make_unique<Process>();
  if (const Status status = Open(*process); !status.ok()) {
    process.reset();
    return OnOpenFailure(status);
  }
  process_ = std::move(process);
  if (const Status status = process_->recorder->CheckState(); !status.ok()) {
    Stop(Kill::kProcess);
    return OnOpenFailure(status);
  }
  Tick();
  Poke();
}

Status Replica::Open(Process& process) {
  process.lessor = std::make_unique<kv::Lessor>(clock_);
  auto machine = kv::ReplicatedMvcc::Open(state_disk(), HooksOf(process));
  if (!machine.ok()) return machine.status();
  process.machine = std::move(machine).value();
  process.recorder = std::make_unique<RecordingMachine>(world_, truth_, id_, *process.machine,
                                                        random_.Fork(), kCheckShare);
  process.recorder->before_install = [this] { observer_.before_install(*this); };
  process.hub =
      std::make_unique<kv::WatchHub>(process.machine->mvcc(), clock_, kv::WatchHub::Options{});
  process.machine->mvcc().SetListener(process.hub.get());
  auto log = replication::EngineLogStore::Open(log_disk());
  if (!log.ok()) return log.status();
  process.log = std::move(log).value();
  process.manners = std::make_unique<Manners>(world_, id_, settings_.driver.raft.election_ticks);
  replication::Driver::Options options = settings_.driver;
  options.raft.id = id_;
  options.raft.seed = random_.Next();
  options.first_conf = first_conf_;
  options.on_standing = [this](const raft::Standing& standing) { OnStanding(standing); };
  auto driver = replication::Driver::Open(options, *process.log, *this, *process.recorder);
  if (!driver.ok()) return driver.status();
  process.driver = std::move(driver).value();
  return {};
}

void Replica::OnOpenFailure(const Status& status) {
  world_.Trace("cannot start", id_.value(), static_cast<uint64_t>(status.code()));
  if (status.code() == Code::kDataLoss) {
    if (!damaged_) {
      world_.Fail(fmt::format("replica {} refuses a disk that nobody damaged: {}", id_.value(),
                              status.message()));
    }
    broken_ = true;
    return;
  }
  RestartLater(2 * kRestartNs);
}

kv::ReplicatedMvcc::Hooks Replica::HooksOf(Process& process) {
  kv::ReplicatedMvcc::Hooks hooks;
  hooks.on_applied = [&process](const kv::Command& command, const kv::Outcome& outcome) {
    using etcdserverpb::LeaseGrantResponse;
    using etcdserverpb::LeaseRevokeResponse;
    if (const auto* granted = std::get_if<LeaseGrantResponse>(&outcome.response)) {
      process.lessor->Granted(granted->id(), granted->ttl());
    } else if (std::holds_alternative<LeaseRevokeResponse>(outcome.response)) {
      process.lessor->Revoked(command.lease_revoke().id());
    }
  };
  return hooks;
}

void Replica::Stop(Kill kill) {
  if (kill == Kill::kPower) {
    for (const auto& disk : disks_) disk->CutPower();
  }
  if (!up()) return;
  world_.Trace("stop", id_.value(), static_cast<uint64_t>(kill));
  // Out of reach first: whoever is told of the end must not come back into it.
  const std::unique_ptr<Process> dying = std::move(process_);
  dying->machine->mvcc().SetListener(nullptr);
  dying->hub->Close({Code::kUnavailable, "the replica has stopped"});
  dying->inbox.clear();
  dying->driver.reset();
}

void Replica::Retire() {
  retired_ = true;
  Stop(Kill::kProcess);
}

void Replica::RestartLater(int64_t mean_ns) {
  const auto delay_ns = static_cast<int64_t>(random_.Exponential(static_cast<double>(mean_ns)));
  world_.After(delay_ns + kMs, [this] { Start(); });
}

// The daemon ends on an error of its disk; something starts it again.
void Replica::ExitOnFailure() {
  const Status failure = process_->driver->failure();
  world_.Trace("exit", id_.value(), static_cast<uint64_t>(failure.code()));
  Stop(Kill::kProcess);
  if (failure.code() == Code::kDataLoss) return OnOpenFailure(failure);
  for (const auto& disk : disks_) {
    // One power line for all of a machine.
    if (!disk->powered()) Stop(Kill::kPower);
  }
  RestartLater(kRestartNs);
}

// ---- time ----

void Replica::AfterIfAlive(int64_t delay_ns, World::Event event) {
  world_.After(delay_ns, [this, life = starts_, event = std::move(event)]() mutable {
    if (up() && life == starts_) std::move(event)();
  });
}

bool Replica::listens() const {
  return world_.now_ns() >= paused_until_ns_ && (!process_->busy || settings_.feed_while_busy);
}

void Replica::Input(World::Event event) {
  if (!up()) return;
  if (!listens()) {
    process_->inbox.push_back(std::move(event));
    return;
  }
  std::move(event)();
  Poke();
}

// Ticks that a sync or a pause has swallowed are not made up for.
void Replica::Tick() {
  AfterIfAlive(static_cast<int64_t>(static_cast<double>(settings_.tick_ns) / tick_rate_), [this] {
    process_->tick_due = true;
    Tick();
    Poke();
  });
}

void Replica::Poke() {
  if (!up() || process_->busy || process_->planned) return;
  process_->planned = true;
  const int64_t wait_ns = std::max(paused_until_ns_ - world_.now_ns(), int64_t{0});
  AfterIfAlive(wait_ns + kThinkNs, [this] { Turn(); });
}

void Replica::Turn() {
  process_->planned = false;
  if (process_->busy) return;
  if (world_.now_ns() < paused_until_ns_) return Poke();
  const uint64_t life = starts_;
  std::vector<World::Event> inbox = std::move(process_->inbox);
  process_->inbox.clear();
  for (World::Event& event : inbox) {
    std::move(event)();
    if (!up() || life != starts_) return;
  }
  if (std::exchange(process_->tick_due, false)) {
    process_->driver->Tick();
    process_->manners->AfterTick(process_->driver->core());
    ExpireLeases();
  }
  if (!process_->driver->Begin()) {
    process_->driver->KeepHouse();
    return AfterWork();
  }
  if (!process_->driver->NeedsSync()) return Finish();
  process_->busy = true;
  const double jitter = random_.Exponential(static_cast<double>(settings_.sync_jitter_ns));
  const double sync_ns = (static_cast<double>(settings_.sync_ns) + jitter) * slowness_;
  AfterIfAlive(static_cast<int64_t>(sync_ns), [this] { Finish(); });
}

void Replica::Finish() {
  if (const int64_t left_ns = paused_until_ns_ - world_.now_ns(); left_ns > 0) {
    return AfterIfAlive(left_ns, [this] { Finish(); });
  }
  process_->busy = false;
  // A failure is looked at in AfterWork.
  (void)process_->driver->Finish();
  AfterWork();
  Poke();
}

void Replica::AfterWork() {
  if (!process_->driver->failure().ok()) return ExitOnFailure();
  if (process_->driver->refused_messages() > 0) {
    return world_.Fail(fmt::format("replica {} refuses a message of its peers", id_.value()));
  }
  PrepareSnapshots();
  DeliverWatches();
  if (observer_.after_output) observer_.after_output(*this);
  if (up() && process_->driver->HasHousekeeping()) Poke();
}

void Replica::PrepareSnapshots() {
  while (auto source = process_->driver->TakeSnapshotToPrepare()) {
    AfterIfAlive(kPrepareNs, [this, weak = std::weak_ptr(source)] {
      const auto alive = weak.lock();
      if (alive == nullptr) return;
      process_->driver->SnapshotPrepared(alive, alive->Prepare());
      Poke();
    });
  }
}

void Replica::DeliverWatches() {
  constexpr int kMaxRounds = 1'000;
  for (int round = 0; process_->hub->RunOnce(); ++round) {
    if (round == kMaxRounds) return world_.Fail("the watches never come to rest");
  }
}

void Replica::OnStanding(const raft::Standing& standing) {
  world_.Trace("standing", id_.value(), static_cast<uint64_t>(standing.role),
               standing.term.value());
  const bool leads = standing.role == raft::Role::kLeader;
  if (leads && !process_->leads) {
    const auto leases = process_->machine->mvcc().Leases();
    if (leases.ok()) process_->lessor->Reset(*leases);
  }
  process_->leads = leads;
  if (observer_.on_standing) observer_.on_standing(*this, standing);
}

void Replica::Send(raft::Message message) {
  if (up()) {
    process_->manners->OnSend(message);
    if (observer_.on_send) observer_.on_send(*this, message);
  }
  network_.Send(std::move(message));
}

void Replica::Receive(raft::Message message) {
  Input([this, message = std::move(message)] {
    const raft::Core& core = process_->driver->core();
    process_->manners->BeforeReceive(message, core, process_->log->TermAt(core.last_index()));
    process_->driver->Receive(message);
  });
}

void Replica::MissPeer(raft::NodeId peer) {
  Input([this, peer] {
    process_->manners->BeforeGone(peer, process_->driver->core());
    process_->driver->PeerGone(peer);
  });
}

// ---- faults ----

void Replica::Pause(int64_t time_ns) {
  paused_until_ns_ = std::max(paused_until_ns_, world_.now_ns() + time_ns);
}

void Replica::CutPowerSoon(uint64_t writes, SimEngine::Last last) {
  disks_[random_.Below(disks_.size())]->CutPowerAfter(writes, last);
}

void Replica::SetFull(bool full) {
  for (const auto& disk : disks_) disk->SetFull(full);
}

void Replica::FlipBit() {
  if (log_disk().FlipBitOfLog()) damaged_ = true;
}

void Replica::DamageState() {
  if (state_disk().DamageState()) damaged_ = true;
}

void Replica::Wipe() {
  Stop(Kill::kPower);
  damaged_ = broken_ = true;
}

void Replica::Calm() {
  SetFull(false);
  slowness_ = 1;
  paused_until_ns_ = world_.now_ns();
  for (const auto& disk : disks_) disk->ForgetFaults();
}

std::optional<replication::LogDescription> Replica::DurableDescription() const {
  const auto bytes = log_disk().Durable(std::string(replication::kDescriptionKey));
  if (!bytes) return std::nullopt;
  const auto description = replication::DecodeDescription(*bytes);
  return description.ok() ? std::optional(*description) : std::nullopt;
}

bool Replica::HoldsDurably(raft::Index index, raft::Term term) const {
  // What it had promised before its disk was lost counts as kept.
  if (broken_ || damaged_) return true;
  const auto description = DurableDescription();
  if (!description) return false;
  if (index < description->first) return true;  // in the state, or in a snapshot
  const auto value = log_disk().Durable(replication::EntryKey(index));
  return index <= description->last && value && TermOf(*value) == term;
}

}  // namespace matricula::sim
