#pragma once

#include "common/base/status.h"
#include "etcd_rpc.pb.h"

namespace matricula::kv {

// Receives what a watch sees, in revision order. Calls come one at a time, on a thread of the
// store, and must not block.
class WatchSink {
 public:
  virtual ~WatchSink() = default;

  // The first response has `created` and the store's revision then. Every other one has all
  // events of one or more whole revisions, or none (progress); its header's revision says how far
  // the watch has seen everything. Before an end by compaction comes one with `canceled` and
  // `compact_revision`.
  // Returns false for "enough for now": the next call comes after Watch::Resume(). Meanwhile
  // nothing is kept in memory for this watch; it goes on from disk.
  virtual bool OnResponse(const etcdserverpb::WatchResponse& response) = 0;

  // The watch is over; nothing follows. OutOfRange: what it wanted next is compacted.
  // InvalidArgument: the range is empty. Cancelled: the store closes.
  virtual void OnEnd(const base::Status& status) = 0;
};

// A running watch; destroying it ends it, after which the sink is not called any more. The
// destructor waits for a call in progress on another thread: hold no lock that the sink takes.
class Watch {
 public:
  virtual ~Watch() = default;

  // Ends the pause that the sink asked for. May be called from the sink.
  virtual void Resume() = 0;
  // Asks for one response without events, as soon as everything up to now has been delivered.
  virtual void RequestProgress() = 0;
};

}  // namespace matricula::kv
