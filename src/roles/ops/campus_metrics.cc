#include "roles/ops/campus_metrics.h"

namespace matricula::roles {
namespace {

double Number(uint64_t value) { return static_cast<double>(value); }

// A connection of one of our parts with the broker.
struct Line {
  std::string part;
  mqtt::ClientStats stats;
};

std::vector<Line> LinesOf(const CampusStats& stats) {
  std::vector<Line> lines;
  if (stats.cache) lines.push_back({"cache", stats.cache->bus});
  if (stats.relay) lines.push_back({"relay", stats.relay->bus});
  if (stats.ingest) lines.push_back({"ingest", stats.ingest->bus});
  return lines;
}

void CollectLines(const std::vector<Line>& lines, Sheet& sheet) {
  for (const auto& [part, line] : lines) {
    sheet.Gauge("matricula_mqtt_connected", "1 while the broker is there.", line.connected ? 1 : 0,
                {{"part", part}});
  }
  for (const auto& [part, line] : lines) {
    sheet.Counter("matricula_mqtt_connects_total", "Connections made with the broker.",
                  Number(line.connects), {{"part", part}});
  }
  for (const auto& [part, line] : lines) {
    sheet.Counter("matricula_mqtt_received_total", "Messages received.", Number(line.received),
                  {{"part", part}});
  }
  for (const auto& [part, line] : lines) {
    sheet.Counter("matricula_mqtt_published_total", "Messages that the broker has acknowledged.",
                  Number(line.published), {{"part", part}});
  }
}

void CollectCache(const sync::CacheStats& cache, Sheet& sheet) {
  const auto reads = [&](std::string_view how, uint64_t count) {
    sheet.Counter("matricula_cache_reads_total",
                  "Reads of records: answered from memory (hit), not in memory (miss), or in "
                  "memory while the bus was late or away (fallback).",
                  Number(count), {{"result", std::string(how)}});
  };
  reads("hit", cache.hits);
  reads("miss", cache.misses);
  reads("fallback", cache.fallbacks);
  sheet.Counter("matricula_cache_questions_total",
                "Questions to the store for its last change; the reads of a moment share one.",
                Number(cache.questions));
  sheet.Counter("matricula_cache_waits_total", "Hits that waited for the bus to catch up.",
                Number(cache.waits));
  sheet.Counter("matricula_cache_gaps_total",
                "Holes in what the bus told, each mended from the store.", Number(cache.gaps));
  sheet.Gauge("matricula_cache_keys", "Records in memory.", Number(cache.keys));
  sheet.Gauge("matricula_cache_bytes", "Memory that they take.", Number(cache.bytes));
}

void CollectRelay(const sync::RelayStats& relay, Sheet& sheet) {
  sheet.Gauge("matricula_relay_active", "1 on the server that tells the changes.",
              relay.relaying ? 1 : 0);
  sheet.Counter("matricula_relay_messages_total", "Changes told.", Number(relay.messages));
  sheet.Gauge("matricula_relay_revision", "Revision up to which everything has been told.",
              static_cast<double>(relay.revision));
  sheet.Counter("matricula_relay_interruptions_total", "Times that it had to begin anew.",
                Number(relay.interruptions));
  sheet.Counter("matricula_relay_lost_total",
                "Times that the store had compacted what was not told yet.", Number(relay.lost));
}

void CollectIngest(const sync::IngestStats& ingest, Sheet& sheet) {
  const auto messages = [&](std::string_view outcome, uint64_t count) {
    sheet.Counter("matricula_ingest_messages_total", "Messages of strangers, by outcome.",
                  Number(count), {{"outcome", std::string(outcome)}});
  };
  messages("applied", ingest.applied);
  messages("unchanged", ingest.unchanged);
  messages("refused", ingest.refused);
  messages("unknown_topic", ingest.unknown_topic);
  messages("malformed", ingest.malformed);
  messages("other_cluster", ingest.other_cluster);
  messages("over_limit", ingest.over_limit);
  messages("failed", ingest.failed);
  sheet.Gauge("matricula_ingest_waiting", "Messages of strangers not decided yet.",
              Number(ingest.waiting));
}

}  // namespace

void CollectCampus(const CampusStats& stats, Sheet& sheet) {
  CollectLines(LinesOf(stats), sheet);
  if (stats.cache) CollectCache(*stats.cache, sheet);
  if (stats.relay) CollectRelay(*stats.relay, sheet);
  if (stats.ingest) CollectIngest(*stats.ingest, sheet);
}

}  // namespace matricula::roles
