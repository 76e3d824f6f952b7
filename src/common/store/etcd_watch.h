#pragma once

#include <grpcpp/support/async_stream.h>

#include <atomic>
#include <memory>
#include <thread>

#include "common/store/etcd_engine.h"
#include "common/store/store.h"

namespace matricula::store {

// A watch that survives its connections: after each loss it goes on, on any server, from the
// revision after the last one that the sink has seen, so that nothing is missed or repeated.
class EtcdWatch final : public EtcdOperation {
 public:
  EtcdWatch(EtcdEngine& engine, const etcdserverpb::WatchCreateRequest& request, WatchSink* sink);

  // When it returns, the sink is not being called and will not be. Any thread, also the sink's.
  void Close();
  // Tells the sink; for a watch that the engine did not take on.
  void Refuse(const base::Status& status);

  // As kv::Watch. Any thread.
  void Resume();
  void RequestProgress();

 private:
  enum class Course {
    kGoOn,
    kLeave,  // the stream: to end the watch if `end_` says so, else to reconnect
  };

  void Attempt(EtcdEndpoint& endpoint) override;
  void Abandon(const base::Status& status) override;
  void OnCancel() override;

  // The stream's events, all on the engine's thread. At most one read and one write are under way;
  // the stream is finished when both have ended.
  void OnStarted(bool ok);
  void OnWritten(bool ok);
  void OnRead(bool ok);
  void Read();
  void Write(const etcdserverpb::WatchRequest& message);
  void Leave();
  void OnFinished();
  void OnCreationTimer(bool expired);
  void AttemptEnded();
  void Ended(const base::Status& status);

  // Does on the engine's thread, after `delay_ms`, what was asked for on another.
  void Kick(int64_t delay_ms) REQUIRES(flow_);
  void OnKick();
  bool TakeResume() REQUIRES(flow_);
  bool TakeProgressRequest() REQUIRES(flow_);
  bool StayPaused();

  Course Take();
  Course TakeCreation();
  Course TakeCancellation();
  Course TakeProgress();
  void TakeEvents();

  void Deliver();
  void DeliverEnd(const base::Status& status);

  etcdserverpb::WatchCreateRequest request_;  // start_revision moves on with what is delivered
  EtcdEvent started_, written_, read_, finished_, creation_timer_, kick_;
  std::unique_ptr<
      grpc::ClientAsyncReaderWriter<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>>
      stream_;
  grpc::Alarm creation_alarm_;
  bool reading_ = false;
  bool writing_ = false;
  bool leaving_ = false;
  bool stream_ended_ = false;
  bool timer_ended_ = false;
  bool created_ = false;  // in this attempt
  bool told_of_creation_ = false;
  bool sink_wants_more_ = true;
  int progress_answers_wanted_ = 0;
  etcdserverpb::WatchResponse response_;
  grpc::Status answer_;
  base::Status end_;  // not ok: the watch is over for good

  base::Mutex flow_;  // what other threads ask for
  grpc::Alarm kick_alarm_ GUARDED_BY(flow_);
  bool kick_pending_ GUARDED_BY(flow_) = false;
  bool paused_ GUARDED_BY(flow_) = false;  // no read is under way until resume_
  bool resume_ GUARDED_BY(flow_) = false;
  bool closing_ GUARDED_BY(flow_) = false;  // no more pauses
  bool ask_progress_ GUARDED_BY(flow_) = false;
  int64_t ask_not_before_ns_ GUARDED_BY(flow_) = 0;
  bool ended_ GUARDED_BY(flow_) = false;

  base::Mutex delivery_;  // held while the sink is called
  std::atomic<WatchSink*> sink_;
  std::atomic<std::thread::id> delivering_thread_;
};

}  // namespace matricula::store
