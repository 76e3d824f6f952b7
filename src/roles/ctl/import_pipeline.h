#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include "common/base/clock.h"
#include "matricula.pb.h"
#include "roles/ctl/import_kind.h"

namespace matricula::ctl {

// Most lines on their way at once that anybody may ask for, and how many there are if nobody does.
inline constexpr int kMaxInFlight = 1024;
inline constexpr int kDefaultInFlight = 64;

struct PipelineLimits {
  int in_flight = kDefaultInFlight;
  int64_t call_timeout_ms = 10'000;
  // After that long without any answer from the server it is given up.
  int64_t patience_ms = 10'000;
};

// How one line fared.
struct LineAnswer {
  enum class Kind { kDone, kRefused, kNone };
  int64_t line = 0;
  Kind kind = Kind::kNone;
  std::string reason;  // kRefused: the server's
};

// Keeps many requests under way at once, from one thread. Every request carries a request id, so
// that a call without an answer (the leader fell, the server is overloaded) is simply made again:
// it cannot take effect twice. When the server stays silent for too long, or says that it can never
// do this, the pipeline is broken and all that is still under way gets no answer.
class ImportPipeline {
 public:
  ImportPipeline(PortalClient& client, const ImportKind& kind, const PipelineLimits& limits,
                 const base::Clock& clock);
  ~ImportPipeline();
  ImportPipeline(const ImportPipeline&) = delete;
  ImportPipeline& operator=(const ImportPipeline&) = delete;

  bool full() const { return calls_.size() >= static_cast<size_t>(limits_.in_flight); }
  bool empty() const { return calls_.empty(); }
  bool broken() const { return broken_; }
  // Why it is broken.
  const grpc::Status& trouble() const { return trouble_; }

  // Not when full or broken.
  void Submit(int64_t line, std::unique_ptr<google::protobuf::Message> request,
              std::string request_id);

  // Waits at most `wait_ms` for something to happen, and gives every answer to `take`.
  void Wait(int64_t wait_ms, const std::function<void(const LineAnswer&)>& take);

 private:
  struct Call;

  void Start(Call& call);
  void StartWhatIsDue();
  int64_t UntilNextStart(int64_t wait_ms) const;
  void Handle(Call& call, const std::function<void(const LineAnswer&)>& take);
  void RetryOrBreak(Call& call);
  void Break(const grpc::Status& status);
  void GiveUpWaiting(const std::function<void(const LineAnswer&)>& take);

  PortalClient& client_;
  const ImportKind& kind_;
  const PipelineLimits limits_;
  const base::Clock& clock_;
  grpc::CompletionQueue queue_;
  std::unordered_map<Call*, std::unique_ptr<Call>> calls_;  // at most in_flight
  int waiting_ = 0;                                         // calls between two attempts
  int64_t last_answer_ms_;  // or since when there is anything to wait for
  bool broken_ = false;
  grpc::Status trouble_;
};

}  // namespace matricula::ctl
