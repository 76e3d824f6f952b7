#include "bench/day/client.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "common/base/ensure.h"

namespace matricula::day {
namespace {

constexpr char kRequestIdKey[] = "x-request-id";
constexpr int kGrpcCodes = 17;
constexpr int64_t kNsPerMs = 1'000'000;
// A try that would get less than this of the request's time left is not worth sending.
constexpr int64_t kShortestTryNs = 1 * kNsPerMs;

// From now on; gRPC adds its own clock.
gpr_timespec In(int64_t ns) { return gpr_time_from_nanos(std::max<int64_t>(ns, 0), GPR_TIMESPAN); }

// The server says that this request will never be right.
bool Hopeless(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::UNIMPLEMENTED:
      return true;
    default:
      return false;
  }
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& server, int number) {
  grpc::ChannelArguments arguments;
  // Channels with equal arguments would share one connection.
  arguments.SetInt("matricula.channel", number);
  // A server that comes back should be found at once.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  // This is how long one attempt may take: a busy machine needs more than a moment.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
}

// Pairs admins with portals in turn until each of the longer list has its turns, and the same
// again over further channels.
std::vector<Stubs> MakeStubs(const std::vector<std::string>& admins,
                             const std::vector<std::string>& portals, int channels) {
  std::map<std::pair<std::string, int>, std::shared_ptr<grpc::Channel>> made;
  const auto channel_to = [&made](const std::string& server, int number) {
    auto& channel = made[{server, number}];
    if (!channel) channel = MakeChannel(server, number);
    return channel;
  };
  std::vector<Stubs> stubs;
  for (int number = 0; number < channels; ++number) {
    for (size_t pair = 0; pair < std::lcm(admins.size(), portals.size()); ++pair) {
      stubs.push_back({.admin = project::PortalAdministrativo::NewStub(
                           channel_to(admins[pair % admins.size()], number)),
                       .portal = project::PortalMatricula::NewStub(
                           channel_to(portals[pair % portals.size()], number))});
    }
  }
  return stubs;
}

}  // namespace

namespace internal {

// One request through all its tries. Lives from Launch until it has called back.
class Call {
 public:
  Call(Client& client, std::string request_id) : client_(client), id_(std::move(request_id)) {}
  virtual ~Call() = default;

  // Sends the next try. `timeout_ns`: of this try alone.
  void StartTry(Stubs& stubs, int64_t timeout_ns) {
    DropReader();
    context_.emplace();
    if (!id_.empty()) context_->AddMetadata(kRequestIdKey, id_);
    context_->set_deadline(In(timeout_ns));
    ++tries;
    Send(stubs, &*context_, &client_.queue_);
  }
  void HangUp() {
    if (context_) context_->TryCancel();
  }

  // An event of the completion queue; true when the try is over and status() is valid.
  virtual bool OnEvent(bool ok) = 0;
  virtual const grpc::Status& status() const = 0;
  // Calls back; the last thing that happens.
  virtual void Finish(bool given_up) = 0;

  int tries = 0;
  int failures = 0;   // tries that ended in an error that was not the client's own hanging up
  size_t server = 0;  // of stubs_: where the last try went
  int64_t started_ns = 0;
  int64_t patience_us = 0;

 protected:
  virtual void Send(Stubs& stubs, grpc::ClientContext* context, grpc::CompletionQueue* queue) = 0;
  // The reader of the try before lives in memory of its context, and must go first.
  virtual void DropReader() = 0;
  int64_t NowNs() const { return client_.clock_.MonotonicNs(); }

 private:
  Client& client_;
  const std::string id_;
  std::optional<grpc::ClientContext> context_;
};

namespace {

template <class Reply>
class UnaryCall : public Call {
 public:
  UnaryCall(Client& client, std::string request_id, Starter<Reply> start)
      : Call(client, std::move(request_id)), start_(std::move(start)) {}

  bool OnEvent(bool) override { return true; }
  const grpc::Status& status() const override { return status_; }

 protected:
  void Send(Stubs& stubs, grpc::ClientContext* context, grpc::CompletionQueue* queue) override {
    reply_.Clear();
    reader_ = start_(stubs, context, queue);
    reader_->StartCall();
    reader_->Finish(&reply_, &status_, this);
  }
  void DropReader() override { reader_.reset(); }
  Reply reply_;

 private:
  const Starter<Reply> start_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>> reader_;
  grpc::Status status_;
};

class WriteCall final : public UnaryCall<project::Status> {
 public:
  WriteCall(Client& client, std::string request_id, Starter<project::Status> start,
            Client::AnswerFn done)
      : UnaryCall(client, std::move(request_id), std::move(start)), done_(std::move(done)) {}

  void Finish(bool given_up) override {
    Answer answer;
    answer.tries = tries;
    answer.lost_try = tries > 1;
    answer.started_ns = started_ns;
    answer.ended_ns = NowNs();
    if (given_up) {
      answer.message = status().error_message();
    } else {
      answer.kind = reply_.status() == 0 ? Answer::Kind::kOk : Answer::Kind::kRefused;
      answer.message = reply_.msg();
    }
    std::move(done_)(std::move(answer));
  }

 private:
  Client::AnswerFn done_;
};

base::Status FromGrpc(const grpc::Status& status) {
  return {static_cast<base::Code>(status.error_code()), status.error_message()};
}

class DetalhaCall final : public UnaryCall<project::RelatorioDisciplina> {
 public:
  DetalhaCall(Client& client, Starter<project::RelatorioDisciplina> start,
              base::Done<project::RelatorioDisciplina> done)
      : UnaryCall(client, "", std::move(start)), done_(std::move(done)) {}

  void Finish(bool given_up) override {
    if (given_up) {
      std::move(done_)(FromGrpc(status()));
    } else {
      std::move(done_)(std::move(reply_));
    }
  }

 private:
  base::Done<project::RelatorioDisciplina> done_;
};

// Start → items → end → status: one event of the queue for each.
class DisciplinasAlunoCall final : public Call {
 public:
  using Items = std::vector<project::ResumoDisciplina>;

  DisciplinasAlunoCall(Client& client, std::string_view matricula, base::Done<Items> done)
      : Call(client, ""), done_(std::move(done)) {
    request_.set_id(std::string(matricula));
  }

  bool OnEvent(bool ok) override {
    if (finishing_) return true;
    if (reading_ && ok) items_.push_back(item_);
    if (ok) {
      reading_ = true;
      reader_->Read(&item_, this);
    } else {
      finishing_ = true;
      reader_->Finish(&status_, this);
    }
    return false;
  }
  const grpc::Status& status() const override { return status_; }
  void Finish(bool given_up) override {
    if (given_up) {
      std::move(done_)(FromGrpc(status_));
    } else {
      std::move(done_)(std::move(items_));
    }
  }

 protected:
  void Send(Stubs& stubs, grpc::ClientContext* context, grpc::CompletionQueue* queue) override {
    items_.clear();
    reading_ = false;
    finishing_ = false;
    reader_ = stubs.portal->PrepareAsyncObtemDisciplinasAluno(context, request_, queue);
    reader_->StartCall(this);
  }
  void DropReader() override { reader_.reset(); }

 private:
  base::Done<Items> done_;
  project::Identificador request_;
  std::unique_ptr<grpc::ClientAsyncReader<project::ResumoDisciplina>> reader_;
  project::ResumoDisciplina item_;
  Items items_;
  grpc::Status status_;
  bool reading_ = false;
  bool finishing_ = false;
};

}  // namespace
}  // namespace internal

Client::Client(ClientOptions options, const base::Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      jitter_(static_cast<uint64_t>(clock.MonotonicNs())),
      heard_ns_(clock.MonotonicNs()),
      tries_by_code_(kGrpcCodes) {
  ENSURE(!options_.servers.empty() && options_.channels_per_server > 0, "a client needs a server");
  stubs_ =
      MakeStubs(options_.servers, options_.portals.empty() ? options_.servers : options_.portals,
                options_.channels_per_server);
}

Client::~Client() {
  for (; !paused_.empty(); paused_.pop()) {
    calls_.erase(paused_.top().call);
    delete paused_.top().call;
  }
  for (internal::Call* call : calls_) call->HangUp();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  // Every call left has one operation in the queue.
  while (queue_.Next(&tag, &ok)) delete static_cast<internal::Call*>(tag);
}

bool Client::Deaf() const {
  return clock_.MonotonicNs() - heard_ns_ >= options_.give_up_after_ms * kNsPerMs;
}

void Client::Write(Starter<project::Status> start, std::string request_id, int64_t patience_us,
                   AnswerFn done) {
  auto call = std::make_unique<internal::WriteCall>(*this, std::move(request_id), std::move(start),
                                                    std::move(done));
  call->patience_us = patience_us;
  Launch(std::move(call));
}

void Client::Detalha(std::string_view sigla, base::Done<project::RelatorioDisciplina> done) {
  project::Identificador request;
  request.set_id(std::string(sigla));
  Launch(std::make_unique<internal::DetalhaCall>(
      *this,
      day::Request(&project::PortalMatricula::Stub::PrepareAsyncDetalhaDisciplina,
                   std::move(request)),
      std::move(done)));
}

void Client::DisciplinasAluno(std::string_view matricula,
                              base::Done<std::vector<project::ResumoDisciplina>> done) {
  Launch(std::make_unique<internal::DisciplinasAlunoCall>(*this, matricula, std::move(done)));
}

void Client::Launch(std::unique_ptr<internal::Call> call) {
  // Silence only counts while somebody is listening.
  if (calls_.empty()) heard_ns_ = clock_.MonotonicNs();
  calls_.insert(call.get());
  call->started_ns = clock_.MonotonicNs();
  const int64_t timeout_ns =
      call->patience_us > 0 ? call->patience_us * 1'000 : options_.call_timeout_ms * kNsPerMs;
  call->server = next_stubs_++ % stubs_.size();
  // From here on the completion queue owns the call, as its tag.
  internal::Call* tag = call.release();
  tag->StartTry(stubs_[tag->server], timeout_ns);
}

// Of a try that has ended in an error: whether there shall be no other one.
bool Client::InVain(const internal::Call& call, int64_t now_ns) const {
  const bool last = options_.most_tries > 0 && call.failures >= options_.most_tries;
  return last || now_ns >= call.started_ns + options_.give_up_after_ms * kNsPerMs || Deaf() ||
         Hopeless(call.status().error_code());
}

void Client::HandleEvent(internal::Call* call, bool ok) {
  if (!call->OnEvent(ok)) return;
  const int code = call->status().error_code();
  ++tries_by_code_[std::clamp(code, 0, kGrpcCodes - 1)];
  const int64_t now_ns = clock_.MonotonicNs();
  if (call->status().ok()) heard_ns_ = now_ns;
  const bool hung_up = call->tries == 1 && call->patience_us > 0 &&
                       call->status().error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  if (!call->status().ok() && !hung_up) ++call->failures;
  const bool in_vain = !call->status().ok() && InVain(*call, now_ns);
  if (call->status().ok() || in_vain) {
    const std::unique_ptr<internal::Call> over(call);
    calls_.erase(call);
    over->Finish(in_vain);
    return;
  }
  const int doublings = std::min(call->tries - 1, 10);
  const int64_t pause_ms = std::min(kFirstPauseMs << doublings, kLongestPauseMs);
  // Half of the pause is chance, so that those refused together do not come back together.
  const double pause_ns = static_cast<double>(pause_ms * kNsPerMs) * (0.5 + jitter_.Fraction() / 2);
  paused_.push({.until_ns = now_ns + static_cast<int64_t>(pause_ns), .call = call});
}

void Client::StartPaused() {
  const int64_t now_ns = clock_.MonotonicNs();
  while (!paused_.empty() && paused_.top().until_ns <= now_ns) {
    internal::Call* call = paused_.top().call;
    paused_.pop();
    const int64_t left_ns =
        call->started_ns + options_.give_up_after_ms * kNsPerMs - clock_.MonotonicNs();
    call->server = (call->server + 1) % stubs_.size();
    call->StartTry(stubs_[call->server],
                   std::clamp(left_ns, kShortestTryNs, options_.call_timeout_ms * kNsPerMs));
  }
}

void Client::Poll(int64_t until_ns) {
  while (true) {
    StartPaused();
    const int64_t wake_ns = paused_.empty() ? until_ns : std::min(until_ns, paused_.top().until_ns);
    void* tag = nullptr;
    bool ok = false;
    const auto next = queue_.AsyncNext(&tag, &ok, In(wake_ns - clock_.MonotonicNs()));
    if (next == grpc::CompletionQueue::GOT_EVENT) {
      HandleEvent(static_cast<internal::Call*>(tag), ok);
      return;
    }
    if (clock_.MonotonicNs() >= until_ns) return;
  }
}

void Client::Finish() {
  while (under_way() > 0) Poll(clock_.MonotonicNs() + 100 * kNsPerMs);
}

}  // namespace matricula::day
