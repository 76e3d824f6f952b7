#include "common/replication/peer_service.h"

#include <utility>

#include "common/base/log.h"
#include "common/replication/peer_codec.h"

namespace matricula::replication {

using base::Code;
using base::Status;

PeerService::PeerService(rpc::Server& server, Options options) : options_(std::move(options)) {
  server.Bidi("matricula.peer.Peer/Exchange", this, &PeerService::Exchange);
  server.Unary("matricula.peer.Peer/Ask", this, &PeerService::Ask);
  server.Unary("matricula.peer.Peer/Join", this, &PeerService::Join);
}

void PeerService::Exchange(const rpc::CallContext& /*context*/, Exchanges stream) {
  auto reader = stream;
  reader.Read([this, stream = std::move(stream)](peer::Parcel* parcel) mutable {
    Greet(parcel, std::move(stream));
  });
}

void PeerService::Greet(const peer::Parcel* parcel, Exchanges stream) {
  if (parcel == nullptr || !parcel->has_hello()) {
    stream.Finish({Code::kInvalidArgument, "a member says first who it is"});
    return;
  }
  const peer::Hello& hello = parcel->hello();
  const std::string objection = Objection(hello);
  if (!objection.empty()) {
    const std::string complaint = std::to_string(hello.member_id()) + objection;
    if (complaint_ != complaint) {
      base::log::Warning("peer.turned_away", {{"peer", hello.member_id()}, {"reason", objection}});
    }
    complaint_ = complaint;
    stream.Finish({Code::kFailedPrecondition, objection});
    return;
  }
  options_.on_hello(hello);
  peer::Hello answer = options_.self;
  answer.set_to_member_id(hello.member_id());
  answer.set_stranger(!options_.is_member(hello.member_id()));
  // It has room: nothing was sent before.
  (void)stream.Send(answer);
  ReadNext(hello.member_id(), std::move(stream));
}

std::string PeerService::Objection(const peer::Hello& hello) const {
  if (hello.version() != kPeerVersion) {
    return "version " + std::to_string(hello.version()) + " of the protocol is not spoken here, " +
           std::to_string(kPeerVersion) + " is";
  }
  if (hello.cluster_id() != options_.self.cluster_id()) return "this is another cluster";
  if (hello.to_member_id() != options_.self.member_id()) return "this is another member";
  const uint64_t disk = options_.disk_of(hello.member_id());
  if (disk != 0 && disk != hello.disk_id()) {
    return "that member's data is not what it was: remove it and add it anew";
  }
  return {};
}

void PeerService::ReadNext(uint64_t from, Exchanges stream) {
  auto reader = stream;
  reader.Read([this, from, stream = std::move(stream)](peer::Parcel* parcel) mutable {
    if (parcel == nullptr) return stream.Finish();
    if (!Take(from, *parcel)) {
      return stream.Finish({Code::kInvalidArgument, "a message that no member sends"});
    }
    ReadNext(from, std::move(stream));
  });
}

std::map<uint64_t, uint64_t> PeerService::ReceivedBytes() const {
  const base::MutexLock lock(mutex_);
  return received_bytes_;
}

bool PeerService::Take(uint64_t from, const peer::Parcel& parcel) {
  {
    const base::MutexLock lock(mutex_);
    received_bytes_[from] += parcel.ByteSizeLong();
  }
  for (const std::string& bytes : parcel.messages()) {
    base::Result<raft::Message> message = DecodeMessage(bytes);
    if (!message.ok() || message->from.value() != from ||
        message->to.value() != options_.self.member_id()) {
      return false;
    }
    options_.receive(std::move(*message));
  }
  return true;
}

void PeerService::Ask(peer::Call& call, const rpc::CallContext& /*context*/,
                      rpc::Responder<peer::Answer> responder) {
  options_.answer(
      call, [responder = std::move(responder)](const base::Result<peer::Answer>& answer) mutable {
        responder.Finish(answer);
      });
}

void PeerService::Join(peer::JoinRequest& request, const rpc::CallContext& /*context*/,
                       rpc::Responder<peer::JoinAnswer> responder) {
  responder.Finish(options_.join(request));
}

}  // namespace matricula::replication
