#include "test/differential/watch_pair.h"

#include <algorithm>
#include <chrono>

namespace matricula::differential {

using etcdserverpb::WatchCreateRequest;
using etcdserverpb::WatchRequest;
using etcdserverpb::WatchResponse;

namespace {

constexpr auto kPatience = std::chrono::seconds(20);

std::vector<WatchRequest> OneRequest(const WatchCreateRequest& create) {
  WatchRequest request;
  *request.mutable_create_request() = create;
  return {request};
}

std::string Join(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) {
    all += text + "; ";
  }
  return all;
}

}  // namespace

WatchReader::WatchReader(Side& side, const std::vector<WatchRequest>& requests) {
  stream_ = side.watch().Watch(&context_);
  for (const WatchRequest& request : requests) {
    stream_->Write(request);
  }
  thread_ = std::thread([this] { Run(); });
}

WatchReader::~WatchReader() {
  context_.TryCancel();
  thread_.join();
  stream_->Finish();
}

void WatchReader::Run() {
  WatchResponse response;
  while (stream_->Read(&response)) {
    Take(response);
  }
}

void WatchReader::Take(WatchResponse& response) {
  base::MutexLock lock(mutex_);
  for (const mvccpb::Event& event : response.events()) {
    events_.push_back(event);
  }
  if (response.created() || response.canceled()) {
    Mask(response);
    controls_.push_back(response.ShortDebugString());
    canceled_ = canceled_ || response.canceled();
  }
  changed_.NotifyAll();
}

bool WatchReader::WaitForEvents(size_t count) {
  base::MutexLock lock(mutex_);
  while (events_.size() < count) {
    if (!changed_.WaitFor(mutex_, kPatience)) {
      return events_.size() >= count;
    }
  }
  return true;
}

bool WatchReader::WaitForControls(size_t count) {
  base::MutexLock lock(mutex_);
  while (controls_.size() < count) {
    if (!changed_.WaitFor(mutex_, kPatience)) {
      return controls_.size() >= count;
    }
  }
  return true;
}

std::vector<mvccpb::Event> WatchReader::events() const {
  base::MutexLock lock(mutex_);
  return events_;
}

std::vector<std::string> WatchReader::controls() const {
  base::MutexLock lock(mutex_);
  return controls_;
}

bool WatchReader::canceled() const {
  base::MutexLock lock(mutex_);
  return canceled_;
}

WatchPair::WatchPair(Side& left, Side& right, const WatchCreateRequest& request, int64_t revision)
    : request_(request),
      start_revision_(request.start_revision() == 0 ? revision + 1 : request.start_revision()),
      left_(left, OneRequest(request)),
      right_(right, OneRequest(request)) {}

bool Wants(const WatchCreateRequest& request, const mvccpb::Event& event) {
  const bool is_put = event.type() == mvccpb::Event::PUT;
  for (const int filter : request.filters()) {
    if ((filter == WatchCreateRequest::NOPUT) == is_put) {
      return false;
    }
  }
  const std::string all("\0", 1);
  const std::string first = request.key().empty() ? all : request.key();
  const std::string& key = event.kv().key();
  const bool matches = request.range_end().empty() ? key == first
                                                   : key >= first && (request.range_end() == all ||
                                                                      key < request.range_end());
  return matches && event.kv().mod_revision() >= request.start_revision();
}

std::string WatchPair::CatchUp(const std::vector<mvccpb::Event>& log) {
  if (!left_.WaitForControls(1) || !right_.WaitForControls(1)) {
    return "a watch was never created";
  }
  if (!left_.canceled()) {
    const auto wanted = static_cast<size_t>(
        std::count_if(log.begin(), log.end(), [this](const mvccpb::Event& event) {
          return event.kv().mod_revision() >= start_revision_ && Wants(request_, event);
        }));
    const bool left = left_.WaitForEvents(wanted);
    const bool right = right_.WaitForEvents(wanted);
    if (!left || !right) {
      return "a watch lacks events: " + std::to_string(wanted) + " expected, left " +
             std::to_string(left_.events().size()) + ", right " +
             std::to_string(right_.events().size());
    }
  }
  return Compare();
}

std::string WatchPair::Compare() const {
  if (left_.controls() != right_.controls()) {
    return "controls\n  left:  " + Join(left_.controls()) + "\n  right: " + Join(right_.controls());
  }
  const auto left = left_.events();
  const auto right = right_.events();
  for (size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const std::string on_left = i < left.size() ? Render(left[i]) : "nothing";
    const std::string on_right = i < right.size() ? Render(right[i]) : "nothing";
    if (on_left != on_right) {
      return "event " + std::to_string(i) + "\n  left:  " + on_left + "\n  right: " + on_right;
    }
  }
  return "";
}

}  // namespace matricula::differential
