#pragma once

#include <absl/functional/any_invocable.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "bench/day/random.h"
#include "common/base/clock.h"
#include "common/base/done.h"
#include "matricula.grpc.pb.h"

namespace matricula::day {

struct ClientOptions {
  std::vector<std::string> servers;  // HOST:PORT; used in turn, the next one after an error
  std::vector<std::string> portals;  // those of PortalMatricula; empty: `servers` serve it, too
  int in_flight = 256;               // requests under way, those waiting for another try included
  int channels_per_server = 2;
  int64_t call_timeout_ms = 5'000;    // one try
  int64_t give_up_after_ms = 60'000;  // all tries of one request
  int most_tries = 0;  // those that the client hung up itself not counted; 0: any number
};

// How a write ended, as its sender knows it.
struct Answer {
  enum class Kind {
    kOk,
    kRefused,  // `message` is the reason
    kUnknown,  // given up: it may or may not have taken effect; `message` is the last error
  };
  Kind kind = Kind::kUnknown;
  std::string message;
  int tries = 0;
  // An earlier try got no answer, so its effect is only known from a kOk.
  bool lost_try = false;
  int64_t started_ns = 0;
  int64_t ended_ns = 0;
};

// The stubs of one admin and one portal server, over one channel each; or of one that is both.
struct Stubs {
  std::unique_ptr<project::PortalAdministrativo::Stub> admin;
  std::unique_ptr<project::PortalMatricula::Stub> portal;
};

// Starts one unary call; made by Request() below.
template <class Reply>
using Starter = std::function<std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>>(
    Stubs&, grpc::ClientContext*, grpc::CompletionQueue*)>;

// For example Request(&project::PortalMatricula::Stub::PrepareAsyncAdicionaAluno, message).
template <class Stub, class Message, class Reply>
Starter<Reply> Request(std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>> (Stub::*method)(
                           grpc::ClientContext*, const Message&, grpc::CompletionQueue*),
                       Message message) {
  return [method, message = std::move(message)](Stubs& stubs, grpc::ClientContext* context,
                                                grpc::CompletionQueue* queue) {
    if constexpr (std::is_same_v<Stub, project::PortalMatricula::Stub>) {
      return (stubs.portal.get()->*method)(context, message, queue);
    } else {
      return (stubs.admin.get()->*method)(context, message, queue);
    }
  };
}

namespace internal {
class Call;
}

// Both portals' asynchronous client, on the thread that calls Poll: nothing here blocks but Poll,
// and answers are given from within it. A try that ends in a gRPC error or runs out of time is
// repeated, with the same x-request-id, on the next server, after a pause that doubles from
// kFirstPauseMs to kLongestPauseMs, until the request has had give_up_after_ms or most_tries. An
// error that says that the request itself is wrong (such as Unimplemented) is given up at once.
class Client {
 public:
  static constexpr int64_t kFirstPauseMs = 10;
  static constexpr int64_t kLongestPauseMs = 1'000;

  using AnswerFn = absl::AnyInvocable<void(Answer) &&>;

  Client(ClientOptions options, const base::Clock& clock);
  // Hangs up on whatever is under way; its answers are not given any more.
  ~Client();

  int under_way() const { return static_cast<int>(calls_.size()); }
  // No server has answered anything for give_up_after_ms: each request is given up at its first
  // error, and there is little sense in beginning more.
  bool Deaf() const;
  bool Full() const { return under_way() >= options_.in_flight; }

  // Any method that answers with a Status. `patience_us`: the first try is hung up after this
  // long (0: call_timeout_ms, like every other one).
  void Write(Starter<project::Status> start, std::string request_id, int64_t patience_us,
             AnswerFn done);
  void Write(Starter<project::Status> start, std::string request_id, AnswerFn done) {
    Write(std::move(start), std::move(request_id), 0, std::move(done));
  }
  // A class's report; blank (without `disciplina`) if there is no such class.
  void Detalha(std::string_view sigla, base::Done<project::RelatorioDisciplina> done);
  void DisciplinasAluno(std::string_view matricula,
                        base::Done<std::vector<project::ResumoDisciplina>> done);

  // Handles what comes until `until_ns` (the clock's monotonic time), but at most one answer.
  void Poll(int64_t until_ns);
  // Polls until nothing is under way.
  void Finish();

  // How many tries ended with each gRPC code so far.
  const std::vector<int64_t>& tries_by_code() const { return tries_by_code_; }

 private:
  friend class internal::Call;

  struct Pause {
    int64_t until_ns;
    internal::Call* call;
    bool operator>(const Pause& other) const { return until_ns > other.until_ns; }
  };

  void Launch(std::unique_ptr<internal::Call> call);
  bool InVain(const internal::Call& call, int64_t now_ns) const;
  void HandleEvent(internal::Call* call, bool ok);
  void StartPaused();

  const ClientOptions options_;
  const base::Clock& clock_;
  Random jitter_;
  int64_t heard_ns_;  // when a server last answered
  grpc::CompletionQueue queue_;
  std::vector<Stubs> stubs_;  // one pair of servers, then the next one, and round again
  size_t next_stubs_ = 0;
  std::priority_queue<Pause, std::vector<Pause>, std::greater<>> paused_;
  std::unordered_set<internal::Call*> calls_;  // each one is a tag of the queue, or paused
  std::vector<int64_t> tries_by_code_;
};

}  // namespace matricula::day
