#include "common/replication/peer_link.h"

#include <grpcpp/support/async_stream.h>

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/replication/peer_codec.h"
#include "common/replication/queue_cost.h"
#include "common/rpc/channel.h"
#include "common/rpc/tag.h"

namespace matricula::replication {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

rpc::ChannelOptions ChannelOptionsOfPeers() {
  rpc::ChannelOptions options;
  options.min_backoff_ms = PeerLink::kMinPauseMs;
  options.max_backoff_ms = PeerLink::kMaxPauseMs;
  options.connect_timeout_ms = PeerLink::kMaxPauseMs;
  return options;
}

}  // namespace

// One connection's life, from Connect() until gRPC owes it nothing more; it deletes itself then.
// Its events come on the loop.
class PeerLink::Stream final {
 public:
  Stream(std::shared_ptr<PeerLink> link, peer::Peer::Stub& stub)
      : link_(std::move(link)),
        stream_(stub.PrepareAsyncExchange(&context_, link_->options_.loop->queue())) {}

  // Writes the parcel first.
  void Start() { stream_->StartCall(Of(started_)); }
  void Write() { stream_->Write(parcel, Of(written_)); }
  void Cancel() { context_.TryCancel(); }

  peer::Parcel parcel;  // being written

 private:
  void* Of(rpc::Tag& tag) { return link_->options_.loop->Ticket(tag); }

  void OnStarted(bool ok) {
    connected_ = ok;
    if (!ok) {
      link_->OnWritten(false);
      return Finish();
    }
    Write();
    stream_->Read(&hello_, Of(read_));
  }

  void OnRead(bool ok) {
    if (!ok) return Finish();
    link_->OnHello(hello_);
    stream_->Read(&hello_, Of(read_));
  }

  void OnWritten(bool ok) {
    link_->OnWritten(ok);
    if (finished_) Close();
  }

  // After the last read: the stream is at its end, whatever became of the writes.
  void Finish() { stream_->Finish(&status_, Of(finish_)); }

  void OnFinished(bool) {
    finished_ = true;
    Close();
  }

  void Close() {
    if (!link_->StopWriting()) return;
    const std::unique_ptr<Stream> self(this);
    link_->OnClosed(status_, !connected_);
  }

  const std::shared_ptr<PeerLink> link_;
  grpc::ClientContext context_;
  const std::unique_ptr<grpc::ClientAsyncReaderWriter<peer::Parcel, peer::Hello>> stream_;
  peer::Hello hello_;
  grpc::Status status_;
  bool connected_ = false;
  bool finished_ = false;
  rpc::MemberTag<Stream, &Stream::OnStarted> started_{this};
  rpc::MemberTag<Stream, &Stream::OnWritten> written_{this};
  rpc::MemberTag<Stream, &Stream::OnRead> read_{this};
  rpc::MemberTag<Stream, &Stream::OnFinished> finish_{this};
};

PeerLink::PeerLink(raft::NodeId peer, std::string address, const PeerLinkOptions& options)
    : peer_(peer),
      address_(std::move(address)),
      options_(options),
      channel_(rpc::MakeChannel(address_, ChannelOptionsOfPeers())),
      stub_(peer::Peer::NewStub(channel_)),
      random_(std::random_device()()) {}

void PeerLink::Send(raft::Message message) {
  const size_t bytes = QueueCost(message);
  bool lost = false;
  {
    const base::MutexLock lock(mutex_);
    if (closed_) return;
    if (greeted_ && queue_.size() < kMaxQueuedMessages &&
        queued_bytes_ + bytes <= kMaxQueuedBytes) {
      queued_bytes_ += bytes;
      queue_.push_back(std::move(message));
      if (!writing_) WriteNext();
      told_lost_ = false;
      return;
    }
    lost = !std::exchange(told_lost_, true);
  }
  if (lost) options_.on_unreachable(peer_);
}

void PeerLink::Tick() {
  const base::MutexLock lock(mutex_);
  if (closed_ || stream_ != nullptr || options_.clock->MonotonicNs() < next_try_ns_) return;
  Connect();
}

void PeerLink::Hasten() {
  const base::MutexLock lock(mutex_);
  pause_ms_ = kMinPauseMs;
  next_try_ns_ = 0;
  if (!greeted_) grpc::experimental::ChannelResetConnectionBackoff(channel_.get());
}

void PeerLink::Connect() {
  stream_ = new Stream(shared_from_this(), *stub_);  // deletes itself
  *stream_->parcel.mutable_hello() = options_.self;
  stream_->parcel.mutable_hello()->set_to_member_id(peer_.value());
  writing_ = true;
  stream_->Start();
}

// Whatever has come together since goes in one parcel.
void PeerLink::WriteNext() {
  if (queue_.empty() || !greeted_) return;
  stream_->parcel.Clear();
  size_t bytes = 0;
  while (!queue_.empty()) {
    const size_t size = QueueCost(queue_.front());
    if (bytes > 0 && bytes + size > kMaxParcelBytes) break;
    bytes += size;
    *stream_->parcel.add_messages() = EncodeMessage(queue_.front());
    queue_.pop_front();
  }
  queued_bytes_ -= bytes;
  sent_bytes_.Add(stream_->parcel.ByteSizeLong());
  writing_ = true;
  stream_->Write();
}

void PeerLink::OnWritten(bool ok) {
  const base::MutexLock lock(mutex_);
  writing_ = false;
  if (ok && !closed_ && stream_ != nullptr) WriteNext();
}

bool PeerLink::StopWriting() {
  const base::MutexLock lock(mutex_);
  if (greeted_ && !closed_) {
    base::log::Info("peer.disconnected", {{"peer", peer_.value()}, {"address", address_}});
  }
  greeted_ = false;  // with which no write begins
  return !writing_;
}

std::string PeerLink::Objection(const peer::Hello& hello) const {
  if (hello.version() != kPeerVersion) {
    return "it speaks version " + std::to_string(hello.version()) + " of the protocol, not " +
           std::to_string(kPeerVersion);
  }
  if (hello.cluster_id() != options_.self.cluster_id()) return "it belongs to another cluster";
  if (hello.member_id() != peer_.value()) return "another member answers at this address";
  const uint64_t disk = options_.disk_of(hello.member_id());
  if (disk != 0 && disk != hello.disk_id()) {
    return "its data is not what it was: remove this member and add it anew";
  }
  return {};
}

void PeerLink::OnHello(const peer::Hello& hello) {
  const std::string objection = Objection(hello);
  const base::MutexLock lock(mutex_);
  if (stream_ == nullptr || closed_) return;
  if (!objection.empty()) {
    Complain(objection);
    pause_ms_ = kMaxPauseMs;
    stream_->Cancel();
    return;
  }
  if (hello.stranger()) {
    Complain("it does not know this member: was it removed, or not added yet?");
  } else {
    complaint_.clear();
    base::log::Info("peer.connected", {{"peer", peer_.value()}, {"address", address_}});
  }
  greeted_ = true;
  pause_ms_ = kMinPauseMs;
  if (!writing_) WriteNext();
}

void PeerLink::OnClosed(const grpc::Status& status, bool no_connection) {
  bool closed = false;
  {
    const base::MutexLock lock(mutex_);
    closed = closed_;
    queue_.clear();
    queued_bytes_ = 0;
  }
  if (!closed) options_.on_unreachable(peer_);
  if (!closed && no_connection && options_.on_gone) options_.on_gone(peer_);
  const base::MutexLock lock(mutex_);
  const bool refused = status.error_code() == grpc::StatusCode::FAILED_PRECONDITION;
  if (refused) Complain("it refuses this member: " + status.error_message());
  writing_ = false;
  const int64_t jittered_ms =
      pause_ms_ / 2 + static_cast<int64_t>(random_() % static_cast<uint64_t>(pause_ms_));
  next_try_ns_ = options_.clock->MonotonicNs() + jittered_ms * kNsPerMs;
  pause_ms_ = refused ? kMaxPauseMs : std::min(2 * pause_ms_, kMaxPauseMs);
  stream_ = nullptr;  // last: from here on this link may be at its end
}

// Once for every reason, however often it is tried.
void PeerLink::Complain(const std::string& reason) {
  if (reason == complaint_) return;
  complaint_ = reason;
  base::log::Warning("peer.refused",
                     {{"peer", peer_.value()}, {"address", address_}, {"reason", reason}});
}

void PeerLink::Close() {
  const base::MutexLock lock(mutex_);
  closed_ = true;
  if (stream_ != nullptr) stream_->Cancel();
}

bool PeerLink::Idle() {
  const base::MutexLock lock(mutex_);
  return stream_ == nullptr;
}

}  // namespace matricula::replication
