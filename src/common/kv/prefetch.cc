#include "common/kv/prefetch.h"

#include "common/kv/rows.h"

namespace matricula::kv {
namespace {

class Collector {
 public:
  void Add(const Command& command) {
    if (command.has_put()) Add(command.put().key());
    if (command.has_delete_range()) Add(command.delete_range());
    if (command.has_txn()) Add(command.txn());
  }

  std::vector<std::string> Take() { return std::move(rows_); }

 private:
  void Add(const std::string& key) {
    if (rows_.size() < kMaxPrefetchedRows) rows_.push_back(KeyRow(key));
  }

  void Add(const etcdserverpb::DeleteRangeRequest& request) {
    if (request.range_end().empty()) Add(request.key());
  }

  void Add(const etcdserverpb::TxnRequest& request) {
    for (const auto& compare : request.compare()) {
      if (compare.range_end().empty()) Add(compare.key());
    }
    for (const auto& operation : request.success()) {
      if (operation.has_request_put()) Add(operation.request_put().key());
      if (operation.has_request_delete_range()) Add(operation.request_delete_range());
    }
  }

  std::vector<std::string> rows_;
};

}  // namespace

std::vector<std::string> RowsToPrefetch(std::span<const LogCommand> commands) {
  Collector collector;
  for (const LogCommand& entry : commands) collector.Add(*entry.command);
  return collector.Take();
}

}  // namespace matricula::kv
