#pragma once

#include <grpcpp/channel.h>

#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>

#include "common/base/clock.h"
#include "common/base/histogram.h"
#include "common/base/mutex.h"
#include "common/raft/message.h"
#include "common/rpc/loop.h"
#include "raft.grpc.pb.h"

namespace matricula::replication {

// Version of the messages between members (raft.proto, peer_codec.h).
inline constexpr uint32_t kPeerVersion = 1;
inline constexpr size_t kMaxParcelBytes = 2u << 20;

// What a link must know and may ask.
struct PeerLinkOptions {
  peer::Hello self;  // without to_member_id
  const base::Clock* clock = nullptr;
  std::shared_ptr<rpc::Loop> loop;
  // Messages to this peer were lost, or may have been.
  std::function<void(raft::NodeId)> on_unreachable;
  // There is nobody at its address (Core::PeerGone). Said again after every attempt to connect. May
  // be empty.
  std::function<void(raft::NodeId)> on_gone;
  // The disk that a member is known to have; 0: unknown.
  std::function<uint64_t(uint64_t member_id)> disk_of;
};

// The way to one other member: one stream, on which messages go out in order, many in a parcel
// while the last one is still on its way. Bounded: what does not fit, or finds no connection, is
// dropped. Both ends say who they are first; a stranger is told so, logged, and gets nothing. Lost
// connections are tried again after a pause with jitter. Any thread.
class PeerLink : public std::enable_shared_from_this<PeerLink> {
 public:
  static constexpr size_t kMaxQueuedMessages = 4'096;
  static constexpr size_t kMaxQueuedBytes = 64u << 20;
  static constexpr int64_t kMinPauseMs = 50;
  static constexpr int64_t kMaxPauseMs = 1'000;

  PeerLink(raft::NodeId peer, std::string address, const PeerLinkOptions& options);

  const std::string& address() const { return address_; }
  void Send(raft::Message message) EXCLUDES(mutex_);
  // Connects if it is time to. To be called now and then.
  void Tick() EXCLUDES(mutex_);
  // Connects soon, whatever pause it is in: the other side was heard of.
  void Hasten() EXCLUDES(mutex_);
  // Ends the stream soon; nothing is called any more once `Idle`.
  void Close() EXCLUDES(mutex_);
  bool Idle() EXCLUDES(mutex_);

  peer::Peer::Stub& stub() { return *stub_; }
  // Handed to gRPC for this peer since the start.
  uint64_t sent_bytes() const { return sent_bytes_.Get(); }

 private:
  class Stream;

  void Connect() REQUIRES(mutex_);
  void WriteNext() REQUIRES(mutex_);
  void OnWritten(bool ok) EXCLUDES(mutex_);
  void OnHello(const peer::Hello& hello) EXCLUDES(mutex_);
  // Nothing more is written on the stream. False: a write is still under way.
  bool StopWriting() EXCLUDES(mutex_);
  void OnClosed(const grpc::Status& status, bool no_connection) EXCLUDES(mutex_);
  std::string Objection(const peer::Hello& hello) const;
  void Complain(const std::string& reason) REQUIRES(mutex_);

  const raft::NodeId peer_;
  const std::string address_;
  const PeerLinkOptions options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<peer::Peer::Stub> stub_;

  base::Counter sent_bytes_;

  base::Mutex mutex_;
  std::deque<raft::Message> queue_ GUARDED_BY(mutex_);
  size_t queued_bytes_ GUARDED_BY(mutex_) = 0;
  Stream* stream_ GUARDED_BY(mutex_) = nullptr;
  bool greeted_ GUARDED_BY(mutex_) = false;  // the other side is who it should be
  bool writing_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;
  bool told_lost_ GUARDED_BY(mutex_) = false;
  int64_t next_try_ns_ GUARDED_BY(mutex_) = 0;
  int64_t pause_ms_ GUARDED_BY(mutex_) = kMinPauseMs;
  std::string complaint_ GUARDED_BY(mutex_);  // the last one logged
  std::minstd_rand random_ GUARDED_BY(mutex_);
};

}  // namespace matricula::replication
