#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/kv/rows.h"
#include "common/raft/membership.h"
#include "common/raft/types.h"
#include "test/sim/model.h"
#include "test/sim/world.h"

namespace matricula::sim {

// A command's answer, with the place in the log where it took effect.
struct Answered {
  raft::Index index;
  kv::Outcome outcome;
};

// What the group has agreed on, as first seen at whichever replica applied it first, and what must
// follow from it: the judge of everything that a replica applies and answers.
//
// LINEARIZABILITY. Every call that gets an answer gets a place in one total order: a write the
// index of its log entry, a read the index that its replica had applied when it was served, after
// the write there. It is checked that
//   (1) the answer is what the model, run along that order, gives at that place, and
//   (2) the order keeps real time: a place is never before one that was answered before the call
//       began, and a write's never the same.
// The first makes the order a legal sequential history, the second makes it one that respects which
// call ended before which began: together that is the definition of linearizability. Calls are
// timed at the replica, between arrival and answer. That is within the time the client saw, so the
// check is stricter than for clients. A call without an answer may be anywhere in the order, or
// nowhere, and nothing is asked of it; but one that was refused must be nowhere, and none may be
// there twice.
class Truth {
 public:
  explicit Truth(World& world) : world_(world) {}

  // ---- what replicas apply ----

  // Of `group`, all entries in (before, through] that are not commands are passed over by replicas.
  struct Applied {
    raft::Index index;
    raft::Term term;
    uint64_t tag;            // the proposal's own name; 0 for a change of the configuration
    std::string_view bytes;  // of the command, without the tag
    const raft::ConfState* conf = nullptr;
  };
  void OnApply(raft::NodeId by, raft::Index before, const std::vector<Applied>& group,
               raft::Index through);
  // The configuration that a replica remembers together with its state. One that has joined knows
  // none until it comes to an entry that names one.
  void SetFirstConf(const raft::ConfState& conf) { confs_[raft::Index(0)] = conf; }
  void OnConf(raft::NodeId by, raft::Index index, const raft::ConfState& conf);
  // The state of a replica that has applied `index`.
  void OnState(raft::NodeId by, raft::Index index, int64_t revision, uint64_t hash);
  // The digest that a replica has then; the first one's is everybody's.
  void OnDigest(raft::NodeId by, raft::Index index, const kv::Digest& digest);

  // ---- what clients are told ----

  uint64_t NewTag() { return ++last_tag_; }
  // The place that every answer so far was at or before; a call takes it when it begins.
  raft::Index floor() const { return floor_; }
  void OnAnswer(uint64_t tag, const Answered& answered, raft::Index floor);
  void OnRefusal(uint64_t tag);
  void OnRead(raft::Index place, const etcdserverpb::TxnRequest& request,
              const etcdserverpb::TxnResponse& response, raft::Index floor);
  // Need not be the newest state, but must be one that was.
  void OnStaleRead(raft::Index place, const etcdserverpb::TxnRequest& request,
                   const etcdserverpb::TxnResponse& response);

  // ---- what is known ----

  const Model& model() const { return model_; }
  raft::Index last() const { return raft::Index(places_.size() - 1); }
  // Of a command or configuration that was applied; nothing for other entries.
  std::optional<raft::Term> TermAt(raft::Index index) const;
  bool WasApplied(uint64_t tag) const { return index_of_tag_.contains(tag); }
  uint64_t checks() const { return checks_; }

 private:
  struct Place {
    bool command = false;  // or a configuration
    raft::Term term;
    uint64_t tag = 0;
    uint64_t payload_hash = 0;
    // After it.
    int64_t revision = 1;
    uint64_t state_hash = 0;
    std::optional<kv::Digest> digest;  // of the first replica that was seen with it
    std::string answer;                // the model's
  };

  void Add(raft::NodeId by, const Applied& applied);
  void Compare(raft::NodeId by, const Applied& applied);
  void CheckRead(raft::Index place, const etcdserverpb::TxnRequest& request,
                 const etcdserverpb::TxnResponse& response);

  World& world_;
  Model model_;
  std::vector<Place> places_{Place{}};  // by index
  std::unordered_map<uint64_t, uint64_t> index_of_tag_;
  std::set<uint64_t> refused_;
  std::map<raft::Index, raft::ConfState> confs_;  // from here on
  uint64_t last_tag_ = 0;
  raft::Index floor_;
  uint64_t checks_ = 0;
};

}  // namespace matricula::sim
