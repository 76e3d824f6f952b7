// What tests do to the data of a store that is not running:
//
//   data_tool DATA alter KEY VALUE   gives a key another value, behind the store's back, as a bug
//                                    or a bad disk might
//   data_tool DATA log               prints the first and the last index of its raft log, and how
//                                    many bytes its entries have
#include <cstdio>
#include <string>

#include "common/kv/rows.h"
#include "common/replication/log_format.h"
#include "common/storage/rocksdb_engine.h"

namespace {

namespace kv = matricula::kv;
namespace replication = matricula::replication;
namespace storage = matricula::storage;

int Fail(const std::string& why) { return std::fprintf(stderr, "data_tool: %s\n", why.c_str()), 1; }

int Alter(storage::Engine& engine, const char* key, const char* value) {
  const auto row = engine.Get(kv::KeyRow(key), nullptr);
  kv::Version version;
  if (!row.ok() || !kv::ParseVersion(*row, version)) return Fail("no such key");
  version.value = value;
  std::string altered;
  kv::AppendVersion(altered, version);
  const auto batch = engine.NewBatch();
  batch->Put(kv::KeyRow(key), altered);
  const auto written = engine.Write(*batch, storage::Durability::kSynced);
  return written.ok() ? 0 : Fail(written.message());
}

int DescribeLog(storage::Engine& engine) {
  const auto row = engine.Get(replication::kDescriptionKey, nullptr);
  if (!row.ok()) return Fail("no log");
  const auto log = replication::DecodeDescription(*row);
  if (!log.ok()) return Fail(log.status().message());
  storage::ReadOptions options;
  options.lower = replication::kEntryPrefix;
  options.upper = replication::kEntryPrefixEnd;
  size_t bytes = 0;
  const auto entries = engine.NewIterator(options);
  for (entries->Seek(options.lower); entries->Valid(); entries->Next()) {
    bytes += entries->value().size();
  }
  std::printf("%llu %llu %zu\n", static_cast<unsigned long long>(log->first.value()),
              static_cast<unsigned long long>(log->last.value()), bytes);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[2] : "";
  const bool alter = what == "alter" && argc == 5;
  if (!alter && !(what == "log" && argc == 3)) return Fail("see the head of its source");
  auto engine = storage::OpenRocksDbEngine(argv[1]);
  if (!engine.ok()) return Fail(engine.status().message());
  return alter ? Alter(**engine, argv[3], argv[4]) : DescribeLog(**engine);
}
