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
#include <utility>

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

// So many sessions on end that each lasted less than that look like another client of our name.
constexpr int64_t kShortSessionMs = 2'000;
constexpr int kShortSessionsSuspected = 3;

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
      : options_(std::move(options)),
        client_id_(options_.client_id),
        outage_(options_.outage ? options_.outage : std::make_shared<Outage>()),
        clock_(clock),
        listener_(listener),
        chance_(options_.seed),
        resume_(options_.resume_at_start) {}

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
    if (!stats_.connected) {
      ++stats_.refused;
      return Status(Code::kUnavailable, "not connected to the broker");
    }
    if (message.payload.size() > kMaxPayloadBytes || message.topic.size() > kMaxTopicBytes) {
      return Status(Code::kInvalidArgument, "the message is too long");
    }
    if (stats_.unacknowledged >= kMaxUnacknowledged) {
      ++stats_.refused;
      return Status(Code::kResourceExhausted, "too many messages are on their way");
    }
    ++stats_.unacknowledged;
    const uint64_t ticket = ++last_ticket_;
    if (outbox_.empty()) waker_.Wake();
    outbox_.emplace_back(ticket, std::move(message));
    return ticket;
  }

  ClientStats Stats() const {
    const base::MutexLock lock(mutex_);
    return stats_;
  }

 private:
  // ---- what the session tells us, on our thread ----

  void OnConnected() override {
    {
      const base::MutexLock lock(mutex_);
      stats_.connected = true;
      ++stats_.connects;
    }
    backoff_ms_ = options_.min_backoff_ms;
    const std::string broker = options_.broker.ToString();
    std::exchange(away_, false) ? outage_->End(broker) : outage_->Connected(broker);
    resume_ = true;
    listener_.OnConnected();
  }
  void OnDisconnected(const Status& why) override { listener_.OnDisconnected(why); }
  void OnMessage(Message message) override {
    {
      const bool too_long =
          message.topic.size() > kMaxTopicBytes || message.payload.size() > kMaxPayloadBytes;
      const base::MutexLock lock(mutex_);
      ++stats_.received;
      if (too_long) {
        ++stats_.too_long;
        return;
      }
    }
    listener_.OnMessage(std::move(message));
  }
  void OnPublished(uint64_t ticket) override {
    {
      const base::MutexLock lock(mutex_);
      --stats_.unacknowledged;
      ++stats_.published;
    }
    listener_.OnPublished(ticket);
  }

  // ---- the thread ----

  void Run() {
    backoff_ms_ = options_.min_backoff_ms;
    while (!stopping()) {
      const Status end = RunSession();
      if (stopping()) break;
      if (!std::exchange(away_, true)) {
        outage_->Begin(options_.broker.ToString(), end.message());
      }
      WaitBackoff();
    }
    if (away_) outage_->Leave();
  }

  // Until the session ends; the status says why.
  Status RunSession() {
    Session session(options_, *this, resume_);
    if (auto status = session.Connect(); !status.ok()) {
      short_sessions_ = 0;  // it is the broker that comes and goes
      return status;
    }
    const int64_t began_ms = clock_.MonotonicMs();
    Status end = ServeUntilEnd(session);
    const bool was_ready = session.ready();
    {
      const base::MutexLock lock(mutex_);
      stats_.connected = false;
      outbox_.clear();
      stats_.unacknowledged = 0;
    }
    if (was_ready) OnDisconnected(end);
    const bool short_lived = was_ready && clock_.MonotonicMs() - began_ms < kShortSessionMs;
    short_sessions_ = short_lived ? short_sessions_ + 1 : 0;
    if (session.taken_over() || short_sessions_ >= kShortSessionsSuspected) TakeAnotherName();
    return end;
  }

  // Two clients with one name would throw each other out for ever. Some brokers say so, mosquitto
  // 2.0.11 just closes the connection.
  void TakeAnotherName() {
    if (stopping()) return;
    short_sessions_ = 0;
    std::random_device device;
    options_.client_id = fmt::format("{}-{:08x}", client_id_, device());
    base::log::Warning("mqtt.name_taken", {{"name", client_id_}, {"now", options_.client_id}});
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

  ClientOptions options_;  // the thread's own once it runs
  const std::string client_id_;
  const std::shared_ptr<Outage> outage_;
  const base::Clock& clock_;
  Listener& listener_;

  // The thread's own.
  std::mt19937_64 chance_;
  int64_t backoff_ms_ = 0;
  int short_sessions_ = 0;  // on end
  bool away_ = false;       // the outage has been told of it
  bool resume_;

  mutable base::Mutex mutex_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::deque<std::pair<uint64_t, Message>> outbox_ GUARDED_BY(mutex_);  // of the unacknowledged
  ClientStats stats_ GUARDED_BY(mutex_);
  uint64_t last_ticket_ GUARDED_BY(mutex_) = 0;

  Waker waker_;
  std::thread thread_;
};

Client::Client(ClientOptions options, const base::Clock& clock, Listener& listener)
    : impl_(std::make_unique<Impl>(std::move(options), clock, listener)) {}

Client::~Client() = default;

void Client::Start() { impl_->Start(); }

ClientStats Client::Stats() const { return impl_->Stats(); }

base::Result<uint64_t> Client::Publish(Message message) {
  return impl_->Publish(std::move(message));
}

}  // namespace matricula::mqtt
