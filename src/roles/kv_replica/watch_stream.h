#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "common/base/mutex.h"
#include "common/rpc/call.h"
#include "common/store/replica_store.h"

namespace matricula::roles {

// One client's Watch stream with all its watches.
//
// Requests are taken one at a time: the next is read when the answer to the last is on its way, so
// that answers come in the order of the requests. What the store tells of a watch goes straight to
// the client; when the client does not read fast enough, the response is given back, nothing of it
// is kept, and the watch is opened anew, from the revision that was not sent, once there is room.
// So a slow reader costs a bounded queue (rpc::kMaxQueuedBytes) and nobody else's time.
class WatchStream : public std::enable_shared_from_this<WatchStream> {
 public:
  using Stream = rpc::BidiStream<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>;

  // Watches on one stream; a client that asks for more is told so.
  static constexpr size_t kMaxWatches = 10'000;

  // Serves the stream until it closes; it lives that long by itself.
  static void Serve(store::ReplicaStore& store, Stream stream);

  WatchStream(store::ReplicaStore& store, Stream stream);
  ~WatchStream();

 private:
  // One watch of the stream; the sink of the store's watch.
  class Entry;
  using EntryPtr = std::shared_ptr<Entry>;

  // ---- the client's requests, on the server's thread ----
  void ReadNext();
  void ReadWhenSent();
  void Take(const etcdserverpb::WatchRequest& request);
  void Create(const etcdserverpb::WatchCreateRequest& request);
  void RefuseCreation(const std::string& reason);
  void Open(const EntryPtr& entry);
  void Cancel(int64_t id);
  void AskProgress();

  // ---- progress for the whole stream: when every watch on it has told of its own ----
  void StartProgress() REQUIRES(mutex_);
  void TakeProgressAnswer(int64_t revision) REQUIRES(mutex_);

  // ---- what the store tells, on its thread ----
  bool Forward(Entry& entry, const etcdserverpb::WatchResponse& response);
  bool ForwardCreation(Entry& entry, const etcdserverpb::WatchResponse& creation) REQUIRES(mutex_);
  void ForwardCompaction(Entry& entry, const etcdserverpb::WatchResponse& cancellation)
      REQUIRES(mutex_);
  void ForwardProgress(Entry& entry, const etcdserverpb::WatchResponse& progress) REQUIRES(mutex_);
  // False: the client is behind, and the events are given back.
  bool ForwardEvents(Entry& entry, const etcdserverpb::WatchResponse& events) REQUIRES(mutex_);
  void Ended(Entry& entry, const base::Status& status);

  // ---- sending ----
  // False: the client is behind, and the response was not taken.
  bool Send(const etcdserverpb::WatchResponse& response) REQUIRES(mutex_);
  // What must not get lost waits its turn if it has to.
  void SendSurely(etcdserverpb::WatchResponse response) REQUIRES(mutex_);
  void AwaitRoom() REQUIRES(mutex_);
  void OnWritable();
  void Reopen(const EntryPtr& entry);
  void OnClosed();

  etcdserverpb::WatchResponse NewResponse(int64_t watch_id) const;

  store::ReplicaStore& store_;
  Stream stream_;

  base::Mutex mutex_;
  std::map<int64_t, EntryPtr> entries_ GUARDED_BY(mutex_);  // by watch id
  int64_t next_id_ GUARDED_BY(mutex_) = 0;
  // Answers to requests, ends of watches, and the rest of a response that was cut: at most a few,
  // and one for every watch.
  std::deque<etcdserverpb::WatchResponse> waiting_ GUARDED_BY(mutex_);
  bool awaiting_room_ GUARDED_BY(mutex_) = false;
  bool read_when_sent_ GUARDED_BY(mutex_) = false;  // the next request, after waiting_ has gone
  bool closed_ GUARDED_BY(mutex_) = false;

  size_t progress_awaited_ GUARDED_BY(mutex_) = 0;  // answers; 0: nobody has asked
  int64_t progress_revision_ GUARDED_BY(mutex_) = 0;
  bool progress_again_ GUARDED_BY(mutex_) = false;  // asked for meanwhile
};

}  // namespace matricula::roles
