#include "test/integration/chaos/watcher.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "common/rpc/channel.h"

namespace matricula::chaos {
namespace {

constexpr std::chrono::milliseconds kPause{50};
constexpr int kFirstChannel = 1'000;  // the clients' come before

}  // namespace

Watcher::Watcher(int number, int pinned_to, const std::vector<std::string>& members,
                 const base::Clock& clock)
    : pinned_to_(pinned_to),
      clock_(clock),
      members_(Connect(members, kFirstChannel + number)),
      random_(static_cast<uint64_t>(number)) {}

void Watcher::Run(int64_t from_revision) {
  changes_.clear();
  sightings_.clear();
  refusal_.clear();
  streams_ = 0;
  last_revision_ = from_revision - 1;
  {
    const base::MutexLock lock(mutex_);
    stop_ = false;
  }
  while (refusal_.empty()) {
    WatchOnce();
    {
      const base::MutexLock lock(mutex_);
      if (stop_) return;
    }
    std::this_thread::sleep_for(kPause);
  }
}

void Watcher::WatchOnce() {
  grpc::ClientContext context;
  rpc::SetDeadline(context, 1'000 + static_cast<int64_t>(random_() % kLongestStreamMs));
  {
    const base::MutexLock lock(mutex_);
    if (stop_) return;
    context_ = &context;
  }
  ++streams_;
  const Stubs& member = members_[pinned_to_ >= 0 ? pinned_to_ : random_() % members_.size()];
  const auto stream = member.watch->Watch(&context);
  etcdserverpb::WatchRequest request;
  etcdserverpb::WatchCreateRequest& create = *request.mutable_create_request();
  create.set_key(kPrefix);
  create.set_range_end(kPrefixEnd);
  create.set_start_revision(last_revision_ + 1);
  stream->Write(request);
  etcdserverpb::WatchResponse response;
  while (refusal_.empty() && stream->Read(&response)) Take(response);
  context.TryCancel();
  // An error is what any fault makes of a stream.
  (void)stream->Finish();
  const base::MutexLock lock(mutex_);
  context_ = nullptr;
}

void Watcher::Take(const etcdserverpb::WatchResponse& response) {
  // For any other reason a watch may go on elsewhere.
  if (response.canceled() && response.compact_revision() > 0) {
    refusal_ =
        fmt::format("the watch from {} was cancelled: {} (compacted: {})", last_revision_ + 1,
                    response.cancel_reason(), response.compact_revision());
    return;
  }
  for (const mvccpb::Event& event : response.events()) {
    const bool put = event.type() == mvccpb::Event::PUT;
    changes_.push_back({event.kv().mod_revision(), event.kv().key(),
                        put ? Value(event.kv().value()) : std::nullopt});
  }
  if (response.events().empty()) return;
  sightings_.push_back({clock_.MonotonicNs(), changes_.back().revision});
  last_revision_ = changes_.back().revision;
}

void Watcher::Stop() {
  const base::MutexLock lock(mutex_);
  stop_ = true;
  if (context_ != nullptr) context_->TryCancel();
}

}  // namespace matricula::chaos
