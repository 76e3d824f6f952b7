#include "roles/kv_replica/watch_stream.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "common/kv/errors.h"
#include "roles/kv_replica/watch_messages.h"

namespace matricula::roles {

using etcdserverpb::WatchCreateRequest;
using etcdserverpb::WatchRequest;
using etcdserverpb::WatchResponse;
namespace errors = kv::errors;

namespace {

// In answers that refuse a watch, and in those that speak for the whole stream.
constexpr int64_t kNoWatch = -1;

}  // namespace

// All fields below the callbacks are guarded by the stream's mutex.
class WatchStream::Entry final : public store::WatchSink {
 public:
  Entry(WatchStream& owner, int64_t watch_id, const WatchCreateRequest& wanted)
      : stream(owner), id(watch_id), request(wanted) {}

  bool OnResponse(const WatchResponse& response) override {
    return stream.Forward(*this, response);
  }
  void OnEnd(const base::Status& status) override { stream.Ended(*this, status); }

  WatchStream& stream;
  const int64_t id;
  WatchCreateRequest request;   // start_revision: of the first event that was not sent
  bool created = false;         // the client has been told
  bool ended = false;           // nothing more will come
  bool given_back = false;      // to be opened anew when there is room
  bool progress_asked = false;  // for the whole stream
  // Destroyed without the mutex, because it waits for our callbacks.
  std::unique_ptr<store::Watch> watch;
};

void WatchStream::Serve(store::ReplicaStore& store, Stream stream) {
  auto self = std::make_shared<WatchStream>(store, std::move(stream));
  self->stream_.OnClosed([self] { self->OnClosed(); });
  self->ReadNext();
}

WatchStream::WatchStream(store::ReplicaStore& store, Stream stream)
    : store_(store), stream_(std::move(stream)) {}

WatchStream::~WatchStream() = default;

void WatchStream::OnClosed() {
  std::map<int64_t, EntryPtr> entries;
  {
    base::MutexLock lock(mutex_);
    closed_ = true;
    entries.swap(entries_);
    waiting_.clear();
  }
  for (const auto& [id, entry] : entries) {
    entry->watch.reset();
  }
}

WatchResponse WatchStream::NewResponse(int64_t watch_id) const {
  WatchResponse response;
  store_.FillHeader(*response.mutable_header());
  response.set_watch_id(watch_id);
  return response;
}

// ---- the client's requests ----

void WatchStream::ReadNext() {
  stream_.Read([self = shared_from_this()](WatchRequest* request) {
    // A client that sends no more may go on receiving.
    if (request != nullptr) {
      self->Take(*request);
    }
  });
}

void WatchStream::Take(const WatchRequest& request) {
  switch (request.request_union_case()) {
    case WatchRequest::kCreateRequest:
      Create(request.create_request());
      break;
    case WatchRequest::kCancelRequest:
      Cancel(request.cancel_request().watch_id());
      break;
    case WatchRequest::kProgressRequest:
      AskProgress();
      break;
    case WatchRequest::REQUEST_UNION_NOT_SET:
      ReadNext();
      break;
  }
}

void WatchStream::ReadWhenSent() {
  bool read = false;
  {
    base::MutexLock lock(mutex_);
    read = waiting_.empty();
    read_when_sent_ = !read;
  }
  if (read) {
    ReadNext();
  }
}

void WatchStream::Create(const WatchCreateRequest& request) {
  if (IsEmptyWatchRange(request)) {
    RefuseCreation(errors::kEmptyWatchRange);
    return;
  }
  EntryPtr entry;
  const char* refusal = nullptr;
  {
    base::MutexLock lock(mutex_);
    int64_t id = request.watch_id();
    if (id == 0) {
      while (entries_.count(next_id_) != 0) {
        ++next_id_;
      }
      id = next_id_++;
    }
    if (entries_.count(id) != 0) {
      refusal = errors::kDuplicateWatchId;
    } else if (entries_.size() >= kMaxWatches) {
      refusal = "etcdserver: too many requests";
    } else {
      entry = std::make_shared<Entry>(*this, id, request);
      entries_.emplace(id, entry);
    }
  }
  if (refusal != nullptr) {
    RefuseCreation(refusal);
    return;
  }
  Open(entry);  // the next request is read when the client has been told
}

void WatchStream::RefuseCreation(const std::string& reason) {
  WatchResponse response = NewResponse(kNoWatch);
  response.set_created(true);
  response.set_canceled(true);
  response.set_cancel_reason(reason);
  {
    base::MutexLock lock(mutex_);
    SendSurely(std::move(response));
  }
  ReadWhenSent();
}

void WatchStream::Open(const EntryPtr& entry) {
  // From here on the entry may be told anything.
  auto watch = store_.OpenWatch(entry->request, entry.get());
  base::MutexLock lock(mutex_);
  entry->watch.swap(watch);
  if (entry->progress_asked) {
    entry->watch->RequestProgress();
  }
}

void WatchStream::Cancel(int64_t id) {
  EntryPtr entry;
  {
    base::MutexLock lock(mutex_);
    const auto found = entries_.find(id);
    if (found != entries_.end()) {
      entry = found->second;
      entries_.erase(found);
      if (std::exchange(entry->progress_asked, false)) {
        TakeProgressAnswer(std::numeric_limits<int64_t>::max());
      }
    }
  }
  if (entry) {  // of others there is nothing to say
    entry->watch.reset();
    WatchResponse response = NewResponse(id);
    response.set_canceled(true);
    base::MutexLock lock(mutex_);
    SendSurely(std::move(response));
  }
  ReadWhenSent();
}

void WatchStream::AskProgress() {
  {
    base::MutexLock lock(mutex_);
    if (progress_awaited_ > 0) {
      progress_again_ = true;
    } else {
      StartProgress();
    }
  }
  ReadWhenSent();
}

// ---- progress for the whole stream ----

void WatchStream::StartProgress() {
  progress_revision_ = std::numeric_limits<int64_t>::max();
  progress_awaited_ = 1;  // this round itself, so that no answer ends it too early
  for (const auto& [id, entry] : entries_) {
    if (entry->created && !entry->ended) {
      entry->progress_asked = true;
      ++progress_awaited_;
      if (entry->watch) {  // else it is being opened, and will be asked then
        entry->watch->RequestProgress();
      }
    }
  }
  TakeProgressAnswer(std::numeric_limits<int64_t>::max());
}

void WatchStream::TakeProgressAnswer(int64_t revision) {
  progress_revision_ = std::min(progress_revision_, revision);
  if (--progress_awaited_ > 0) {
    return;
  }
  WatchResponse response = NewResponse(kNoWatch);
  if (progress_revision_ != std::numeric_limits<int64_t>::max()) {
    response.mutable_header()->set_revision(progress_revision_);
  }
  SendSurely(std::move(response));
  if (std::exchange(progress_again_, false)) {
    StartProgress();
  }
}

// ---- what the store tells ----

bool WatchStream::Forward(Entry& entry, const WatchResponse& response) {
  bool taken = true;
  bool read = false;
  {
    base::MutexLock lock(mutex_);
    if (response.created()) {
      read = ForwardCreation(entry, response);
    } else if (response.canceled()) {
      ForwardCompaction(entry, response);
    } else if (response.events().empty()) {
      ForwardProgress(entry, response);
    } else {
      taken = ForwardEvents(entry, response);
    }
  }
  if (read) {
    ReadNext();
  }
  return taken;
}

// Returns whether the next request may be read.
bool WatchStream::ForwardCreation(Entry& entry, const WatchResponse& creation) {
  if (std::exchange(entry.created, true)) {
    return false;  // opened anew: the client knows
  }
  WatchResponse response = creation;
  response.set_watch_id(entry.id);
  SendSurely(std::move(response));
  read_when_sent_ = !waiting_.empty();
  return !read_when_sent_;
}

void WatchStream::ForwardCompaction(Entry& entry, const WatchResponse& cancellation) {
  entry.ended = true;
  WatchResponse response = NewResponse(entry.id);
  response.mutable_header()->set_revision(0);
  response.set_canceled(true);
  response.set_compact_revision(cancellation.compact_revision());
  SendSurely(std::move(response));
}

void WatchStream::ForwardProgress(Entry& entry, const WatchResponse& progress) {
  if (std::exchange(entry.progress_asked, false)) {
    TakeProgressAnswer(progress.header().revision());
    return;
  }
  WatchResponse response = progress;
  response.set_watch_id(entry.id);
  Send(response);  // one more or less makes no difference
}

bool WatchStream::ForwardEvents(Entry& entry, const WatchResponse& events) {
  WatchResponse response = events;
  response.set_watch_id(entry.id);
  std::vector<WatchResponse> pieces;
  if (entry.request.fragment()) {
    pieces = Fragment(response, kFragmentBytes);
    response = std::move(pieces.front());
  }
  if (!Send(response)) {
    entry.given_back = true;
    entry.request.set_start_revision(events.events(0).kv().mod_revision());
    return false;
  }
  for (size_t i = 1; i < pieces.size(); ++i) {
    SendSurely(std::move(pieces[i]));
  }
  return true;
}

void WatchStream::Ended(Entry& entry, const base::Status& status) {
  bool read = false;
  {
    base::MutexLock lock(mutex_);
    if (!entry.ended && status.code() != base::Code::kCancelled) {
      WatchResponse response = NewResponse(entry.id);
      response.set_canceled(true);
      response.set_cancel_reason(status.message());
      response.set_created(!entry.created);
      SendSurely(std::move(response));
    }
    entry.ended = true;
    if (!std::exchange(entry.created, true)) {
      read_when_sent_ = !waiting_.empty();
      read = !read_when_sent_;
    }
    if (std::exchange(entry.progress_asked, false)) {
      TakeProgressAnswer(std::numeric_limits<int64_t>::max());
    }
  }
  if (status.code() == base::Code::kCancelled) {  // the store closes
    stream_.Finish(errors::Stopped());
  } else if (read) {
    ReadNext();
  }
}

// ---- sending ----

bool WatchStream::Send(const WatchResponse& response) {
  if (closed_) {
    return true;
  }
  // Nothing overtakes what waits.
  if (waiting_.empty() && stream_.Send(response) != rpc::SendResult::kFull) {
    return true;
  }
  AwaitRoom();
  return false;
}

void WatchStream::SendSurely(WatchResponse response) {
  if (!Send(response)) {
    waiting_.push_back(std::move(response));
  }
}

void WatchStream::AwaitRoom() {
  if (!std::exchange(awaiting_room_, true)) {
    stream_.OnWritable([self = shared_from_this()] { self->OnWritable(); });
  }
}

void WatchStream::OnWritable() {
  std::vector<EntryPtr> to_open;
  bool read = false;
  {
    base::MutexLock lock(mutex_);
    awaiting_room_ = false;
    while (!waiting_.empty()) {
      if (stream_.Send(waiting_.front()) == rpc::SendResult::kFull) {
        AwaitRoom();
        return;
      }
      waiting_.pop_front();
    }
    read = std::exchange(read_when_sent_, false);
    for (const auto& [id, entry] : entries_) {
      if (std::exchange(entry->given_back, false)) {
        to_open.push_back(entry);
      }
    }
  }
  for (const EntryPtr& entry : to_open) {
    Reopen(entry);
  }
  if (read) {
    ReadNext();
  }
}

void WatchStream::Reopen(const EntryPtr& entry) {
  std::unique_ptr<store::Watch> old;
  {
    base::MutexLock lock(mutex_);
    old.swap(entry->watch);
  }
  old.reset();
  Open(entry);
}

}  // namespace matricula::roles
