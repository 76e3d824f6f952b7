#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "command.pb.h"
#include "common/kv/outcome.h"

namespace matricula::sim {

// The store as a textbook would write it: a map of whole histories, no engine, no batches, nothing
// ever cleaned up. It is given the agreed commands one by one, and says what each must answer and
// what any read at any revision must see. It knows the requests that simulated clients make: puts,
// deletions, transactions (nested ones too), compactions and leases; ranges without sorting and
// filters.
class Model {
 public:
  kv::Outcome Apply(const kv::Command& command);

  int64_t revision() const { return revision_; }
  // What a transaction of ranges sees at a revision.
  etcdserverpb::TxnResponse Read(const etcdserverpb::TxnRequest& request, int64_t revision) const;
  // Every event of one revision.
  const std::vector<mvccpb::Event>& EventsOf(int64_t revision) const;

  // Of all keys that exist and all leases, with all that is known of them: equal states have equal
  // hashes, however they came about. Kept up with every change.
  uint64_t state_hash() const { return state_hash_; }
  // The same, from what a replica answers.
  static uint64_t HashOf(const etcdserverpb::RangeResponse& everything,
                         const std::vector<std::pair<int64_t, int64_t>>& leases);

 private:
  struct Version {
    int64_t mod = 0;
    int64_t create = 0;
    int64_t version = 0;
    int64_t lease = 0;
    bool exists = false;
    std::string value;
  };
  using History = std::vector<Version>;

  static void Fill(const std::string& key, const Version& version, mvccpb::KeyValue& out);
  // Null: it does not exist then.
  static const Version* At(const History& history, int64_t revision);
  const Version* At(const std::string& key, int64_t revision) const;
  std::vector<std::string> KeysIn(const std::string& key, const std::string& end,
                                  int64_t revision) const;
  void Range(const etcdserverpb::RangeRequest& request, int64_t revision,
             etcdserverpb::RangeResponse& response) const;
  bool Holds(const etcdserverpb::Compare& compare, int64_t revision) const;
  static bool HoldsFor(const etcdserverpb::Compare& compare, const Version* version);

  // Compares see the state before the transaction, however deep they stand in it.
  bool Succeeds(const etcdserverpb::TxnRequest& request) const;
  base::Status CheckPuts(const etcdserverpb::TxnRequest& request) const;
  base::Status CheckRanges(const etcdserverpb::TxnRequest& request) const;
  void TakeBranch(const etcdserverpb::TxnRequest& request, etcdserverpb::TxnResponse& response);
  kv::Outcome Txn(const etcdserverpb::TxnRequest& request);
  kv::Outcome Compact(const etcdserverpb::CompactionRequest& request);
  kv::Outcome Grant(const etcdserverpb::LeaseGrantRequest& request);
  kv::Outcome Revoke(const etcdserverpb::LeaseRevokeRequest& request);
  base::Status CheckPut(const etcdserverpb::PutRequest& request) const;
  void Put(const etcdserverpb::PutRequest& request, etcdserverpb::PutResponse& response);
  void Delete(const etcdserverpb::DeleteRangeRequest& request,
              etcdserverpb::DeleteRangeResponse& response);
  void Write(const std::string& key, Version version);
  void EndTransaction();
  int64_t revision_so_far() const { return revision_ + (open_.empty() ? 0 : 1); }

  std::map<std::string, History> keys_;
  std::map<int64_t, int64_t> leases_;                       // to granted time to live
  std::vector<std::vector<mvccpb::Event>> events_{{}, {}};  // by revision; an empty store has 1
  std::vector<mvccpb::Event> open_;                         // of the transaction under way
  int64_t revision_ = 1;
  int64_t compacted_ = -1;
  uint64_t state_hash_ = 0;
};

}  // namespace matricula::sim
