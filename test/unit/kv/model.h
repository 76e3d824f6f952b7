#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/kv/outcome.h"
#include "common/kv/rows.h"

namespace matricula::kv::test {

// The store as one would write it without caring for speed: every version of every key in memory,
// every question answered by looking at all of them. Slow, and simple enough to be believed.
class Model {
 public:
  struct Version {
    Revision mod;
    int64_t create = 0;
    int64_t version = 0;
    int64_t lease = 0;
    bool tombstone = false;
    std::string value;
  };

  Outcome Apply(const Command& command);
  base::Result<etcdserverpb::RangeResponse> Range(const etcdserverpb::RangeRequest& request) const;
  uint32_t HashKv(int64_t at) const;

  int64_t revision() const { return revision_; }
  int64_t compacted() const { return compacted_; }
  const std::map<int64_t, int64_t>& leases() const { return leases_; }
  std::vector<std::string> LeaseKeys(int64_t lease) const;
  // Everything that ever happened, in order, with what was there before each transaction.
  const std::vector<mvccpb::Event>& events() const { return events_; }
  // Rows that must be there once all is cleaned up.
  struct Rows {
    size_t keys = 0;
    size_t versions = 0;
    friend bool operator==(const Rows&, const Rows&) = default;
  };
  Rows RowsAfterCleanUp() const;

 private:
  using Keys = std::vector<std::pair<std::string, Version>>;

  // The keys of a range that exist at a revision.
  Keys Live(const std::string& key, const std::string& range_end, int64_t at) const;
  const Version* At(const std::string& key, int64_t at) const;

  bool Compares(const etcdserverpb::TxnRequest& txn) const;
  void Choose(const etcdserverpb::TxnRequest& txn, std::vector<bool>& path) const;
  base::Status CheckTaken(const etcdserverpb::TxnRequest& txn,
                          std::vector<bool>::const_iterator& path, bool puts) const;
  void Run(const etcdserverpb::TxnRequest& txn, std::vector<bool>::const_iterator& path,
           etcdserverpb::TxnResponse& response);
  base::Status CheckPut(const etcdserverpb::PutRequest& request, bool lease_first) const;
  void Put(const etcdserverpb::PutRequest& request, etcdserverpb::PutResponse& response);
  void Delete(const etcdserverpb::DeleteRangeRequest& request,
              etcdserverpb::DeleteRangeResponse& response);
  void FillRange(const etcdserverpb::RangeRequest& request, int64_t at,
                 etcdserverpb::RangeResponse& response) const;
  void Write(const std::string& key, Version version);
  void End() {
    if (sub_ > 0) ++revision_;
    sub_ = 0;
  }
  int64_t Now() const { return revision_ + (sub_ > 0 ? 1 : 0); }

  std::map<std::string, std::vector<Version>> history_;  // oldest first
  std::map<int64_t, int64_t> leases_;
  std::vector<mvccpb::Event> events_;
  std::vector<etcdserverpb::AlarmMember> alarms_;
  int64_t revision_ = 1;
  int64_t compacted_ = -1;
  int64_t sub_ = 0;
};

}  // namespace matricula::kv::test
