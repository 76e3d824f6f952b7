#include "roles/ops/store_metrics.h"

#include <chrono>
#include <future>
#include <memory>
#include <optional>

#include <fmt/format.h>

namespace matricula::roles {
namespace {

using replication::Node;

// A thread that is busy syncing answers late; a scrape does not wait for it longer.
constexpr std::chrono::milliseconds kPatience{500};

double Number(uint64_t value) { return static_cast<double>(value); }

std::string Hex(uint64_t id) { return fmt::format("{:x}", id); }

// Everything there is to know of a replica at one moment.
struct Replica {
  store::ReplicaStore::Numbers numbers;
  store::ReplicaStore::Stats stats;
  std::optional<Node::Details> details;  // of a member of a cluster that has answered in time
  uint64_t member_id = 0;
  uint64_t quota_bytes = 0;
  bool grouped = false;
  bool leads() const { return numbers.leader == member_id; }
};

std::optional<Node::Details> Describe(store::RaftSequencer* group) {
  if (group == nullptr) return std::nullopt;
  auto promise = std::make_shared<std::promise<base::Result<Node::Details>>>();
  auto future = promise->get_future();
  group->node().Describe(
      [promise](base::Result<Node::Details> details) { promise->set_value(std::move(details)); });
  if (future.wait_for(kPatience) != std::future_status::ready) return std::nullopt;
  auto details = future.get();
  return details.ok() ? std::optional(*std::move(details)) : std::nullopt;
}

void CollectRaft(const Replica& replica, Sheet& sheet) {
  const auto& node = replica.stats.node;
  const auto& sequencer = replica.stats.sequencer;
  sheet.Gauge("matricula_raft_term", "The term of the log.", Number(replica.numbers.term));
  sheet.Gauge("matricula_raft_leader", "1 if this replica leads.", replica.leads() ? 1 : 0);
  sheet.Gauge("matricula_raft_commit_index", "Last entry that is known to be agreed on.",
              Number(replica.numbers.log_index));
  sheet.Gauge("matricula_raft_applied_index", "Last entry whose effect can be read here.",
              Number(replica.numbers.applied_index));
  sheet.Counter("matricula_raft_elections_total", "Elections in which this replica stood.",
                Number(sequencer.elections));
  sheet.Counter("matricula_raft_proposals_total", "Changes that this replica was asked for.",
                Number(sequencer.proposed));
  if (!replica.grouped) return;
  sheet.Gauge("matricula_raft_log_entries", "Entries kept in the log.",
              Number(node.last.value() + 1 - node.first.value()));
  sheet.Counter("matricula_raft_snapshots_sent_total",
                "Copies of all data begun for replicas that were too far behind.",
                Number(node.counts.snapshots_begun));
  sheet.Counter("matricula_raft_snapshots_installed_total",
                "Copies of all data that replaced this replica's.",
                Number(node.counts.snapshots_installed));
  sheet.Counter("matricula_raft_refused_messages_total",
                "Messages of other replicas that no sound one would have sent.",
                Number(node.counts.refused_messages));
  if (!replica.details || !replica.leads()) return;
  for (const raft::PeerProgress& peer : replica.details->peers) {
    if (peer.id.value() == replica.member_id) continue;
    const uint64_t last = replica.details->summary.last.value();
    sheet.Gauge("matricula_raft_peer_lag_entries",
                "On the leader: entries that another replica has not confirmed yet.",
                Number(last - std::min(last, peer.match.value())),
                {{"peer", Hex(peer.id.value())}});
  }
}

void CollectDisk(const Replica& replica, Sheet& sheet) {
  const storage::EngineStats& engine = replica.stats.engine;
  sheet.Gauge("matricula_rocksdb_disk_bytes", "Files on disk.", Number(engine.disk_bytes));
  sheet.Gauge("matricula_rocksdb_live_bytes", "Of it, what is not deleted or overwritten.",
              Number(engine.live_bytes));
  sheet.Gauge("matricula_rocksdb_memory_bytes", "Memtables, caches and table readers.",
              Number(engine.memory_bytes));
  sheet.Gauge("matricula_rocksdb_memtable_bytes", "Memtables.", Number(engine.memtable_bytes));
  sheet.Gauge("matricula_rocksdb_block_cache_bytes", "Block cache.", Number(engine.cache_bytes));
  sheet.Gauge("matricula_rocksdb_pending_compaction_bytes", "To be rewritten by compactions.",
              Number(engine.pending_compaction_bytes));
  sheet.Gauge("matricula_rocksdb_running_compactions", "Compactions under way.",
              Number(engine.running_compactions));
  sheet.Gauge("matricula_rocksdb_write_stopped", "1 while writers wait for compactions.",
              engine.write_stopped ? 1 : 0);
  sheet.Histogram("matricula_apply_seconds", "Applying what was agreed on, per group.",
                  replica.stats.applies, Sheet::kSecondsPerNs);
  sheet.Gauge("matricula_store_revision", "The store's newest revision.",
              static_cast<double>(replica.numbers.revision));
  sheet.Gauge("matricula_store_alarms", "Alarms raised, such as NOSPACE.",
              Number(replica.numbers.alarms.size()));
}

void CollectEtcdServer(const Replica& replica, Sheet& sheet) {
  const auto& sequencer = replica.stats.sequencer;
  sheet.Gauge("etcd_server_id", "This member.", 1, {{"server_id", Hex(replica.member_id)}});
  sheet.Gauge("etcd_server_has_leader", "1 if a leader is known.",
              replica.numbers.leader != 0 ? 1 : 0);
  sheet.Gauge("etcd_server_is_leader", "1 if this member leads.", replica.leads() ? 1 : 0);
  sheet.Gauge("etcd_server_is_learner", "1 if this member has no vote.",
              replica.numbers.learner ? 1 : 0);
  sheet.Counter("etcd_server_leader_changes_seen_total", "Changes of the leader seen.",
                Number(sequencer.leader_changes));
  sheet.Counter("etcd_server_proposals_committed_total", "Entries agreed on.",
                Number(replica.numbers.log_index));
  sheet.Counter("etcd_server_proposals_applied_total", "Entries applied.",
                Number(replica.numbers.applied_index));
  sheet.Gauge("etcd_server_proposals_pending", "Changes under way.", Number(sequencer.pending));
  sheet.Counter("etcd_server_proposals_failed_total", "Changes that were not carried out.",
                Number(sequencer.failed));
  sheet.Gauge("etcd_server_quota_backend_bytes", "Size at which no more writes are taken.",
              Number(replica.quota_bytes));
}

void CollectEtcdDisk(const Replica& replica, Sheet& sheet) {
  const storage::EngineStats& engine = replica.stats.engine;
  sheet.Histogram("etcd_disk_wal_fsync_duration_seconds", "Writes of the log, synced.",
                  replica.stats.synced_writes, Sheet::kSecondsPerNs);
  // A store without a log writes its data once, synced.
  sheet.Histogram("etcd_disk_backend_commit_duration_seconds", "Writes of what was applied.",
                  replica.grouped ? replica.stats.buffered_writes : replica.stats.synced_writes,
                  Sheet::kSecondsPerNs);
  sheet.Gauge("etcd_mvcc_db_total_size_in_bytes", "Size of the data on disk.",
              Number(engine.disk_bytes));
  sheet.Gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Of it, what is in use.",
              Number(std::min(engine.live_bytes, engine.disk_bytes)));
  sheet.Gauge("etcd_debugging_mvcc_db_total_size_in_bytes", "Size of the data on disk.",
              Number(engine.disk_bytes));
  sheet.Gauge("etcd_debugging_mvcc_current_revision", "The newest revision.",
              static_cast<double>(replica.numbers.revision));
  sheet.Gauge("etcd_debugging_mvcc_compact_revision", "Up to here, history is gone.",
              static_cast<double>(replica.numbers.compacted_revision));
}

void CollectTraffic(const PeerTraffic& traffic, Sheet& sheet) {
  for (const auto& [member, bytes] : traffic.sent) {
    sheet.Counter("etcd_network_peer_sent_bytes_total", "Sent to another member.", Number(bytes),
                  {{"To", Hex(member)}});
  }
  for (const auto& [member, bytes] : traffic.received) {
    sheet.Counter("etcd_network_peer_received_bytes_total", "Received of another member.",
                  Number(bytes), {{"From", Hex(member)}});
  }
}

}  // namespace

void CollectStore(store::ReplicaStore& store, const PeerTraffic& traffic, Sheet& sheet) {
  Replica replica;
  replica.numbers = store.GetNumbers();
  replica.stats = store.GetStats();
  replica.details = Describe(store.group());
  replica.member_id = store.member_id();
  replica.quota_bytes = store.quota_bytes();
  replica.grouped = store.group() != nullptr;
  CollectRaft(replica, sheet);
  CollectDisk(replica, sheet);
  CollectEtcdServer(replica, sheet);
  CollectEtcdDisk(replica, sheet);
  CollectTraffic(traffic, sheet);
}

}  // namespace matricula::roles
