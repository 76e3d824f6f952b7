#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>

#include <functional>
#include <memory>
#include <random>
#include <unordered_set>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/rpc/loop.h"
#include "common/rpc/tag.h"
#include "common/store/etcd_endpoints.h"

namespace matricula::store {

class EtcdEngine;
class EtcdScout;

// What the loop hands back. An armed event keeps its owner and the engine alive until it has come.
class EtcdEvent final : public rpc::Tag {
 public:
  EtcdEvent(EtcdEngine& engine, std::function<void(bool)> handle)
      : engine_(engine), handle_(std::move(handle)) {}

  // The tag to give to gRPC; one at a time.
  void* Arm(std::shared_ptr<void> owner);

 private:
  void Complete(bool ok) override;

  EtcdEngine& engine_;
  std::function<void(bool)> handle_;
  std::shared_ptr<void> owner_;
  bool armed_ = false;
};

// One thing that the store does for a caller. It is tried on a server that can be reached, and
// tried again after a back-off, until it calls Finished() or is abandoned. Attempts never overlap.
class EtcdOperation : public std::enable_shared_from_this<EtcdOperation> {
 public:
  // timeout_ms 0: no deadline.
  EtcdOperation(EtcdEngine& engine, int64_t timeout_ms);
  virtual ~EtcdOperation() = default;

  // Ends the attempt that is under way, or the wait for one, soon. Any thread.
  void Cancel();

 protected:
  friend class EtcdEngine;

  // A connected server: start the one attempt. `context_` is fresh and has no deadline yet.
  virtual void Attempt(EtcdEndpoint& endpoint) = 0;
  // No attempt is under way and none will follow: Unavailable if the deadline passed, Cancelled
  // if the engine closes or Cancel() was called.
  virtual void Abandon(const base::Status& status) = 0;
  // Cancel() was called: ends a wait of the operation's own.
  virtual void OnCancel() {}

  // How an attempt ends: one of these two, on the engine's thread.
  void RetryLater(bool suspect_server, int64_t delay_ms);
  // The caller is told afterwards; the engine forgets the operation.
  void Finished();

  // For Attempt: ends it at the operation's deadline, or after `limit_ms` (0: no limit) if there
  // is another server to go on with.
  void SetAttemptDeadline(int64_t limit_ms);
  // For Attempt: a server that knows no leader refuses at once instead of letting us wait.
  void RequireLeader();

  // Others go first for a while.
  void SuspectServer();
  // What is left until the deadline; INT64_MAX without one.
  int64_t RemainingMs() const;
  // Delay before the next attempt: none while there are servers that have not been tried, then
  // doubling, with jitter.
  int64_t NextDelayMs();
  // The server did its part: the next failure starts with short delays again.
  void ForgetAttempts() { attempts_ = 0; }

  EtcdEngine& engine_;
  std::unique_ptr<grpc::ClientContext> context_;
  EtcdEndpoint* endpoint_ = nullptr;  // of the current attempt

 private:
  void RunAttempt(EtcdEndpoint& endpoint);

  const int64_t deadline_ns_;
  int64_t attempts_ = 0;
  EtcdEvent wake_;
  base::Mutex mutex_;
  grpc::Alarm alarm_ GUARDED_BY(mutex_);
  bool cancelled_ GUARDED_BY(mutex_) = false;
};

// The operations under way, and the servers they go to. "The engine's thread" is that of its loop.
class EtcdEngine {
 public:
  // `loop` may be nullptr: it has one of its own then.
  EtcdEngine(const std::vector<std::string>& addresses, const rpc::ChannelOptions& channel,
             size_t max_operations, const std::shared_ptr<rpc::Loop>& loop,
             const base::Clock& clock);
  // Cancels what is under way, and waits until all of it has ended.
  ~EtcdEngine();

  // Takes the operation on and starts it; ResourceExhausted when there are too many already,
  // Cancelled when the engine is closing.
  base::Status Start(std::shared_ptr<EtcdOperation> operation);

  grpc::CompletionQueue* queue() { return loop_->queue(); }
  const base::Clock& clock() const { return clock_; }
  size_t server_count() const { return server_count_; }
  // To be shown the answers; nullptr with a single server.
  EtcdScout* scout() { return scout_.get(); }
  // `ms` give or take a half.
  int64_t Jittered(int64_t ms);

 private:
  friend class EtcdEvent;
  friend class EtcdOperation;

  void NoteArmed();
  void NoteDone();

  // Runs the operation on a connected server, now or when there is one.
  void Dispatch(std::shared_ptr<EtcdOperation> operation);
  void Suspect(EtcdEndpoint& endpoint);
  void Prefer(const EtcdEndpoint* leader);
  void Forget(EtcdOperation& operation);

  void WatchConnections() REQUIRES(mutex_);
  void OnConnectionChange(size_t index);
  void ReleaseWaiting();

  const base::Clock& clock_;
  const size_t max_operations_;
  const size_t server_count_;
  std::unique_ptr<rpc::LoopThread> own_loop_;
  const std::shared_ptr<rpc::Loop> loop_;

  base::Mutex armed_mutex_;
  base::CondVar all_came_;
  int64_t armed_events_ GUARDED_BY(armed_mutex_) = 0;

  base::Mutex mutex_;
  base::CondVar emptied_;
  EtcdEndpoints endpoints_ GUARDED_BY(mutex_);
  std::unordered_set<std::shared_ptr<EtcdOperation>> operations_ GUARDED_BY(mutex_);
  // Operations that wait for a connection; the events tell of changes of each server's.
  std::vector<std::shared_ptr<EtcdOperation>> waiting_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<EtcdEvent>> connection_events_;
  std::vector<bool> watching_connection_ GUARDED_BY(mutex_);
  std::unique_ptr<EtcdScout> scout_;
  std::minstd_rand random_ GUARDED_BY(mutex_);
  bool closing_ GUARDED_BY(mutex_) = false;
};

}  // namespace matricula::store
