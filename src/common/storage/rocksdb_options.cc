#include "common/storage/rocksdb_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include "common/storage/rocksdb_files.h"

namespace matricula::storage {
namespace {

constexpr int kMemtables = 3;    // one being filled, two on their way to disk
constexpr int kFilterBits = 10;  // one false "may be there" in a hundred
constexpr double kMemtableFilterShare = 0.05;
constexpr size_t kInfoLogs = 4;
constexpr size_t kInfoLogBytes = 4u << 20;

// RocksDB's filters know "prefixes" of keys, or keys; ours know what FilteredPart says.
class FilteredPartTransform final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "matricula.filtered.1"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    const std::string_view part = FilteredPart(key.ToStringView());
    return {part.data(), part.size()};
  }
  bool InDomain(const rocksdb::Slice& key) const override {
    return !key.empty() && (key[0] == kFilteredTable || key[0] == kFamilyTable);
  }
};

rocksdb::BlockBasedTableOptions TableOptions(const RocksDbOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  // Inside the cache, indexes and filters cannot grow with the data; first in rank, they stay.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBits));
  table.whole_key_filtering = false;
  // This machine's crc32c may be without hardware help; XXH3 is fast everywhere.
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  return table;
}

void SetLogs(rocksdb::Options& out) {
  out.keep_log_file_num = kInfoLogs;
  out.max_log_file_size = kInfoLogBytes;
  out.info_log_level = rocksdb::WARN_LEVEL;
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  out.recycle_log_file_num = 0;  // a recycled log cannot tell a torn tail from old contents
}

}  // namespace

rocksdb::Options MakeRocksDbOptions(const RocksDbOptions& options) {
  rocksdb::Options out;
  out.env = FilesOfRocksDb();
  out.create_if_missing = true;
  out.paranoid_checks = true;
  out.prefix_extractor = std::make_shared<FilteredPartTransform>();
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(TableOptions(options)));
  out.write_buffer_size = options.memtable_bytes;
  out.max_write_buffer_number = kMemtables;
  out.memtable_prefix_bloom_size_ratio = kMemtableFilterShare;
  out.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(1));
  out.max_open_files = options.max_open_tables;
  out.max_background_jobs = 2;
  out.level_compaction_dynamic_level_bytes = true;
  out.compression = rocksdb::kNoCompression;
  out.bottommost_compression = rocksdb::kLZ4Compression;
  // One thread writes; preparing for concurrent ones would cost it.
  out.allow_concurrent_memtable_write = false;
  out.enable_write_thread_adaptive_yield = false;
  // The log has it all: flushing at the end only makes stopping slow.
  out.avoid_flush_during_shutdown = true;
  SetLogs(out);
  return out;
}

}  // namespace matricula::storage
