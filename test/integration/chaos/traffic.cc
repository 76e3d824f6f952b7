#include "test/integration/chaos/traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <utility>

#include "common/rpc/channel.h"

namespace matricula::chaos {
namespace {

constexpr std::chrono::milliseconds kPause{10};
constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kCallTimeoutMs = 5'000;
constexpr int64_t kHashTimeoutMs = 20'000;
constexpr int kTries = 4;
constexpr int kHistoryChannels = 2'000;
// Of the rounds; in others the history goes on growing.
constexpr int kCompactEvery = 2;

}  // namespace

Traffic::Traffic(TrafficOptions options, const base::Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      members_(Connect(options_.members, 0)),
      journal_(options_.directory + "/journal") {
  const int all = static_cast<int>(options_.members.size());
  for (int i = 0; i < all; ++i) {
    AddClient(Manner::kPatient, i);
    AddClient(Manner::kHasty, i);
    watchers_.push_back(std::make_unique<Watcher>(i, i, options_.members, clock_));
  }
  for (int i = 0; i < options_.clients; ++i) AddClient(Manner::kRoaming, 0);
  watchers_.push_back(std::make_unique<Watcher>(all, -1, options_.members, clock_));
  marker_ = MakeClient(Manner::kRoaming, 0);
}

std::unique_ptr<Client> Traffic::MakeClient(Manner manner, int member) {
  ClientPlan plan;
  plan.number = static_cast<int>(clients_.size()) + 1;
  plan.seed = options_.seed * 1'000 + clients_.size();
  plan.manner = manner;
  plan.member = member;
  plan.pause_ms = manner == Manner::kRoaming ? options_.pause_ms : 3 * options_.pause_ms;
  return std::make_unique<Client>(plan, options_.members, clock_,
                                  [this](const Operation& operation) { OnDone(operation); });
}

void Traffic::AddClient(Manner manner, int member) {
  clients_.push_back(MakeClient(manner, member));
}

Traffic::~Traffic() { JoinAll(); }

void Traffic::JoinAll() {
  stop_ = true;
  for (std::thread& thread : client_threads_) thread.join();
  client_threads_.clear();
  for (const auto& watcher : watchers_) watcher->Stop();
  for (std::thread& thread : watcher_threads_) thread.join();
  watcher_threads_.clear();
}

void Traffic::OnDone(const Operation& operation) {
  const bool written = operation.succeeded && !operation.id.empty();
  if (written) NoteAcknowledged(operation.end_ns);
  if (written && operation.writes.front().key.find("/diary/") != std::string::npos) {
    journal_.Append(operation.writes.front().key, operation.id);
  }
  const base::MutexLock lock(mutex_);
  operations_.push_back(operation);
}

void Traffic::NoteAcknowledged(int64_t now_ns) {
  const int64_t silence_ns = now_ns - last_acknowledged_ns_.exchange(now_ns);
  int64_t longest_ns = longest_silence_ns_;
  while (silence_ns > longest_ns &&
         !longest_silence_ns_.compare_exchange_weak(longest_ns, silence_ns)) {
  }
}

int64_t Traffic::LongestSilenceMs() {
  const int64_t now_ns = clock_.MonotonicNs();
  const int64_t open_ns = now_ns - last_acknowledged_ns_.exchange(now_ns);
  return std::max(open_ns, longest_silence_ns_.exchange(0)) / kNsPerMs;
}

void Traffic::BeginRound() {
  stop_ = false;
  ++round_;
  last_acknowledged_ns_ = clock_.MonotonicNs();
  for (const auto& client : clients_) {
    client_threads_.emplace_back([this, &client] { client->Run(stop_); });
  }
  for (const auto& watcher : watchers_) {
    watcher_threads_.emplace_back([this, &watcher] { watcher->Run(first_revision_ + 1); });
  }
}

// A last write, which everybody has to learn of. Its revision; 0: nobody takes it.
int64_t Traffic::Mark(const std::vector<int>& serving) {
  const int64_t deadline_ms = clock_.MonotonicMs() + kPatienceMs;
  for (size_t i = 0; clock_.MonotonicMs() < deadline_ms; ++i) {
    const Operation operation =
        marker_->Put(serving[i % serving.size()], fmt::format("{}marker", kPrefix));
    if (operation.answered) return operation.revision;
    std::this_thread::sleep_for(kPause);
  }
  return 0;
}

bool Traffic::Reached(const Watcher& watcher, int64_t revision) const {
  const int64_t deadline_ms = clock_.MonotonicMs() + kPatienceMs;
  while (watcher.last_revision() < revision) {
    if (clock_.MonotonicMs() > deadline_ms) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

// Those pinned to a member that is not there have nobody to tell them.
void Traffic::AwaitWatchers(const std::vector<int>& serving, int64_t revision,
                            RoundReport& report) {
  const int all = static_cast<int>(options_.members.size());
  for (int i = 0; i < static_cast<int>(watchers_.size()); ++i) {
    if (i < all && std::find(serving.begin(), serving.end(), i) == serving.end()) continue;
    if (Reached(*watchers_[i], revision)) continue;
    report.findings.push_back(fmt::format("watch {} was told of revision {}, never of {}", i,
                                          watchers_[i]->last_revision(), revision));
  }
  JoinAll();
  for (const auto& watcher : watchers_) {
    if (!watcher->refusal().empty()) report.findings.push_back(watcher->refusal());
    report.told += static_cast<int64_t>(watcher->changes().size());
    report.streams += watcher->streams();
  }
}

std::vector<Change> Traffic::HistoryOf(int member, int64_t revision, RoundReport& report) {
  Watcher watcher(kHistoryChannels + member, member, options_.members, clock_);
  std::thread thread([&] { watcher.Run(first_revision_ + 1); });
  if (!Reached(watcher, revision)) {
    report.findings.push_back(fmt::format("member {} never told of revision {}, but of {}", member,
                                          revision, watcher.last_revision()));
  }
  watcher.Stop();
  thread.join();
  return watcher.changes();
}

// The members' own histories must be one; and what was watched while it came about must be that.
void Traffic::CompareHistories(const std::vector<int>& serving, Round& round, RoundReport& report) {
  for (const int member : serving) {
    const std::vector<Change> history = HistoryOf(member, round.last_revision, report);
    if (member == serving.front()) round.changes = history;
    const std::string difference = CompareChanges(history, round.changes);
    if (difference.empty()) continue;
    report.findings.push_back(fmt::format("histories of members {} and {} differ: {}", member,
                                          serving.front(), difference));
  }
  for (size_t i = 0; i < watchers_.size(); ++i) {
    std::vector<Change> expected = round.changes;
    const int64_t reached = watchers_[i]->last_revision();
    std::erase_if(expected, [&](const Change& change) { return change.revision > reached; });
    const std::string difference = CompareChanges(watchers_[i]->changes(), expected);
    if (!difference.empty()) report.findings.push_back(fmt::format("watch {}: {}", i, difference));
    round.sightings.insert(round.sightings.end(), watchers_[i]->sightings().begin(),
                           watchers_[i]->sightings().end());
  }
}

grpc::Status Traffic::HashOf(int member, int64_t revision,
                             etcdserverpb::HashKVResponse& response) const {
  etcdserverpb::HashKVRequest request;
  request.set_revision(revision);
  grpc::ClientContext context;
  rpc::SetDeadline(context, kHashTimeoutMs);
  return members_[member].maintenance->HashKV(&context, request, &response);
}

void Traffic::CompareHashes(const std::vector<int>& serving, int64_t revision,
                            RoundReport& report) {
  std::map<std::string, std::string> members_of;
  for (const int member : serving) {
    etcdserverpb::HashKVResponse response;
    grpc::Status status = HashOf(member, revision, response);
    for (int i = 1; !status.ok() && i < kTries; ++i) status = HashOf(member, revision, response);
    if (!status.ok()) {
      report.findings.push_back(fmt::format("member {} has no hash at revision {}: {}", member,
                                            revision, status.error_message()));
      continue;
    }
    members_of[fmt::format("{:08x} (compacted {})", response.hash(),
                           response.compact_revision())] += fmt::format(" {}", member);
  }
  if (members_of.size() <= 1) return;
  std::string text = fmt::format("hashes differ at revision {}:", revision);
  for (const auto& [hash, members] : members_of) text += fmt::format(" {}:{};", hash, members);
  report.findings.push_back(text);
}

void Traffic::CheckJournal(int member, RoundReport& report) {
  for (const std::string& finding : journal_.Compare(members_[member])) {
    report.findings.push_back(finding);
  }
}

void Traffic::Count(const Round& round, RoundReport& report) const {
  report.changes = static_cast<int64_t>(round.changes.size());
  for (const Operation& operation : round.operations) {
    ++(operation.answered ? report.answered : report.unknown);
    if (!operation.answered) continue;
    if (!operation.id.empty()) {
      ++report.writes;
    } else {
      ++(operation.serializable ? report.serializable_reads : report.linearizable_reads);
    }
  }
}

// For whoever looks for the cause.
void Traffic::Keep(const Round& round, const RoundReport& report) const {
  std::ofstream file(fmt::format("{}/round-{}.txt", options_.directory, round_));
  for (const std::string& finding : report.findings) file << "WRONG " << finding << '\n';
  for (const auto& [key, pair] : round.before) {
    file << "before " << key << '=' << *pair.value << '@' << pair.mod_revision << '\n';
  }
  for (const Operation& operation : round.operations) file << Describe(operation) << '\n';
  for (const Change& change : round.changes) file << "change " << Describe(change) << '\n';
  for (const Sighting& sighting : round.sightings) {
    file << fmt::format("told {:.3f} ms {}\n", static_cast<double>(sighting.at_ns) / 1e6,
                        sighting.revision);
  }
}

void Traffic::Compact(int member, int64_t revision) {
  etcdserverpb::CompactionRequest request;
  request.set_revision(revision);
  grpc::ClientContext context;
  rpc::SetDeadline(context, kCallTimeoutMs);
  etcdserverpb::CompactionResponse response;
  // Whether it has been done makes no difference to what must be true afterwards.
  (void)members_[member].kv->Compact(&context, request, &response);
}

RoundReport Traffic::EndRound(const std::vector<int>& serving) {
  RoundReport report;
  stop_ = true;
  for (std::thread& thread : client_threads_) thread.join();
  client_threads_.clear();
  Round round;
  round.first_revision = first_revision_;
  round.before = now_;
  round.last_revision = Mark(serving);
  if (round.last_revision == 0) report.findings.push_back("no member takes a write any more");
  AwaitWatchers(serving, round.last_revision, report);
  {
    const base::MutexLock lock(mutex_);
    round.operations = std::move(operations_);
    operations_.clear();
  }
  CompareHistories(serving, round, report);
  Judge judge(round);
  const std::vector<std::string> findings = judge.Findings();
  report.findings.insert(report.findings.end(), findings.begin(), findings.end());
  CompareHashes(serving, round.last_revision, report);
  CheckJournal(serving.back(), report);
  Count(round, report);
  if (!report.findings.empty()) Keep(round, report);
  if (round_ % kCompactEvery == 0) Compact(serving.front(), round.last_revision);
  now_ = judge.after();
  first_revision_ = round.last_revision;
  return report;
}

}  // namespace matricula::chaos
