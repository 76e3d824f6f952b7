#include "common/store/etcd_call.h"

namespace matricula::store {

EtcdKeepAlive::EtcdKeepAlive(EtcdEngine& engine, const EtcdCallOptions& options, int64_t lease_id,
                             base::Done<etcdserverpb::LeaseKeepAliveResponse> done)
    : EtcdCall(engine, options, std::move(done)),
      started_(engine, [this](bool ok) { OnStarted(ok); }),
      written_(engine, [this](bool ok) { OnWritten(ok); }),
      read_(engine, [this](bool ok) { OnRead(ok); }),
      finished_(engine, [this](bool) { OnFinished(); }) {
  request_.set_id(lease_id);
}

void EtcdKeepAlive::Attempt(EtcdEndpoint& endpoint) {
  PrepareContext();
  answered_ = false;
  stream_ = endpoint.lease->PrepareAsyncLeaseKeepAlive(context_.get(), engine_.queue());
  stream_->StartCall(started_.Arm(shared_from_this()));
}

void EtcdKeepAlive::OnStarted(bool ok) {
  if (ok) {
    stream_->WriteLast(request_, grpc::WriteOptions(), written_.Arm(shared_from_this()));
  } else {
    Finish();
  }
}

void EtcdKeepAlive::OnWritten(bool ok) {
  if (ok) {
    stream_->Read(&response_, read_.Arm(shared_from_this()));
  } else {
    Finish();
  }
}

void EtcdKeepAlive::OnRead(bool ok) {
  answered_ = ok;
  Finish();
}

void EtcdKeepAlive::Finish() { stream_->Finish(&answer_, finished_.Arm(shared_from_this())); }

void EtcdKeepAlive::OnFinished() {
  stream_.reset();
  if (answered_) {
    answer_ = grpc::Status::OK;  // however the stream ended after it
  } else if (answer_.ok()) {
    answer_ = {grpc::StatusCode::UNAVAILABLE, "the stream ended without an answer"};
  }
  AttemptEnded(answer_, response_);
}

}  // namespace matricula::store
