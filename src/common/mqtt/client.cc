#include "common/mqtt/client.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <optional>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "common/base/ensure.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/mqtt/session.h"

namespace matricula::mqtt {
namespace {

using base::Code;
using base::Status;

// libmosquitto sends its pings from loop_misc, which wants to be called about once a second.
constexpr int kHousekeepingMs = 1'000;
// From the TCP connection to the last subscription.
constexpr int64_t kHandshakeTimeoutMs = 5'000;

// Lets another thread end a poll().
class Waker {
 public:
  Waker() : descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    ENSURE(descriptor_ >= 0, "no descriptor left for the MQTT client");
  }
  ~Waker() { close(descriptor_); }
  void Wake() {
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = write(descriptor_, &one, sizeof(one));
  }
  void Clear() {
    uint64_t count = 0;
    [[maybe_unused]] const auto got = read(descriptor_, &count, sizeof(count));
  }
  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

}  // namespace

class Client::Impl final : private Listener {
 public:
  Impl(ClientOptions options, const base::Clock& clock, Listener& listener)
      : options_(std::move(options)), clock_(clock), listener_(listener), chance_(options_.seed) {}

  ~Impl() override {
    {
      const base::MutexLock lock(mutex_);
      stopping_ = true;
    }
    waker_.Wake();
    if (thread_.joinable()) thread_.join();
  }

  void Start() {
    thread_ = std::thread([this] { Run(); });
  }

  base::Result<uint64_t> Publish(Message message) {
    const base::MutexLock lock(mutex_);
    if (!connected_) return Status(Code::kUnavailable, "not connected to the broker");
    if (message.payload.size() > kMaxPayloadBytes || message.topic.size() > kMaxTopicBytes) {
      return Status(Code::kInvalidArgument, "the message is too long");
    }
    if (unacknowledged_ >= kMaxUnacknowledged) {
      return Status(Code::kResourceExhausted, "too many messages are on their way");
    }
    ++unacknowledged_;
    const uint64_t ticket = ++last_ticket_;
    if (outbox_.empty()) waker_.Wake();
    outbox_.emplace_back(ticket, std::move(message));
    return ticket;
  }

 private:
  // ---- what the session tells us, on our thread ----

  void OnConnected() override {
    {
      const base::MutexLock lock(mutex_);
      connected_ = true;
    }
    backoff_ms_ = options_.min_backoff_ms;
    complained_ = false;
    resume_ = true;
    base::log::Info("mqtt.connected", {{"broker", options_.broker.ToString()}});
    listener_.OnConnected();
  }
  void OnDisconnected(const Status& why) override { listener_.OnDisconnected(why); }
  void OnMessage(Message message) override { listener_.OnMessage(std::move(message)); }
  void OnPublished(uint64_t ticket) override {
    {
      const base::MutexLock lock(mutex_);
      --unacknowledged_;
    }
    listener_.OnPublished(ticket);
  }

  // ---- the thread ----

  void Run() {
    backoff_ms_ = options_.min_backoff_ms;
    while (!stopping()) {
      const Status end = RunSession();
      if (stopping()) break;
      Complain(end);
      WaitBackoff();
    }
  }

  // Until the session ends; the status says why.
  Status RunSession() {
    Session session(options_, *this, resume_);
    RETURN_IF_ERROR(session.Connect());
    const Status end = ServeUntilEnd(session);
    const bool was_ready = session.ready();
    {
      const base::MutexLock lock(mutex_);
      connected_ = false;
      outbox_.clear();
      unacknowledged_ = 0;
    }
    if (was_ready) OnDisconnected(end);
    return end;
  }

  Status ServeUntilEnd(Session& session) {
    const int64_t handshake_deadline_ms = clock_.MonotonicMs() + kHandshakeTimeoutMs;
    while (!stopping()) {
      pollfd waiting[2] = {{.fd = session.descriptor(), .events = POLLIN, .revents = 0},
                           {.fd = waker_.descriptor(), .events = POLLIN, .revents = 0}};
      if (session.WantsToWrite()) waiting[0].events |= POLLOUT;
      if (poll(waiting, 2, kHousekeepingMs) < 0 && errno != EINTR) {
        return {Code::kInternal, "poll failed"};
      }
      const int ready = waiting[0].revents;
      RETURN_IF_ERROR(session.Serve((ready & ~POLLOUT) != 0, (ready & POLLOUT) != 0));
      if (waiting[1].revents != 0) waker_.Clear();
      if (session.ready()) {
        RETURN_IF_ERROR(SendOutbox(session));
      } else if (clock_.MonotonicMs() > handshake_deadline_ms) {
        return {Code::kUnavailable, "the broker does not answer"};
      }
    }
    session.Disconnect();
    return {Code::kCancelled, "the client stops"};
  }

  Status SendOutbox(Session& session) {
    std::deque<std::pair<uint64_t, Message>> messages;
    {
      const base::MutexLock lock(mutex_);
      messages.swap(outbox_);
    }
    for (const auto& [ticket, message] : messages) {
      RETURN_IF_ERROR(session.Publish(ticket, message));
    }
    return base::OkStatus();
  }

  // Once per outage: a broker that is away is an ordinary state.
  void Complain(const Status& why) {
    if (complained_) return;
    complained_ = true;
    base::log::Warning("mqtt.unavailable", {{"broker", options_.broker.ToString()},
                                            {"reason", why.message()},
                                            {"effect", "none on enrollment; retrying quietly"}});
  }

  void WaitBackoff() {
    // Between half and the whole of it, so that servers do not come back in step.
    const int64_t half_ms = backoff_ms_ / 2;
    const auto wait_ms =
        static_cast<int>(half_ms + static_cast<int64_t>(chance_() % (half_ms + 1)));
    backoff_ms_ = std::min(backoff_ms_ * 2, options_.max_backoff_ms);
    pollfd waiting{.fd = waker_.descriptor(), .events = POLLIN, .revents = 0};
    poll(&waiting, 1, wait_ms);
    waker_.Clear();
  }

  bool stopping() {
    const base::MutexLock lock(mutex_);
    return stopping_;
  }

  const ClientOptions options_;
  const base::Clock& clock_;
  Listener& listener_;

  // The thread's own.
  std::mt19937_64 chance_;
  int64_t backoff_ms_ = 0;
  bool complained_ = false;
  bool resume_ = false;

  base::Mutex mutex_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool connected_ GUARDED_BY(mutex_) = false;
  std::deque<std::pair<uint64_t, Message>> outbox_ GUARDED_BY(mutex_);
  size_t unacknowledged_ GUARDED_BY(mutex_) = 0;  // outbox_ included
  uint64_t last_ticket_ GUARDED_BY(mutex_) = 0;

  Waker waker_;
  std::thread thread_;
};

Client::Client(ClientOptions options, const base::Clock& clock, Listener& listener)
    : impl_(std::make_unique<Impl>(std::move(options), clock, listener)) {}

Client::~Client() = default;

void Client::Start() { impl_->Start(); }

base::Result<uint64_t> Client::Publish(Message message) {
  return impl_->Publish(std::move(message));
}

}  // namespace matricula::mqtt
