#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <grpcpp/support/status.h>
#include <nlohmann/json.hpp>

#include "matricula.pb.h"
#include "roles/ctl/ctl.h"

namespace matricula::ctl {

class PortalClient;

// What can be said with any command; the flags are in ctl.cc.
struct Options {
  std::string server = "127.0.0.1:50051";
  std::string portal;  // PortalMatricula, where it is served apart; empty: the same as `server`
  std::string kv = "127.0.0.1:2379";
  bool json = false;
  double timeout_s = 10;   // of one call; of a stream, between two of its messages
  std::string request_id;  // x-request-id of a write; empty: none

  int64_t timeout_ms() const { return static_cast<int64_t>(timeout_s * 1000); }
};

// Whether a call without an answer may have changed something.
enum class Effect { kRead, kWrite };

// What one command has to work with: its options, the way to the servers, and the ways to end.
//
// With --json, standard output gets one JSON document per line: the records asked for, and, when
// the command fails, one last `{"status": <exit code>, "msg": …}`; a write that went well says
// `{"status": 0, "msg": ""}`. No record has a field `status`. For people, records are a table on
// standard output, and what went wrong is a line on standard error.
class Session {
 public:
  Session(const Console& console, const Options& options);
  ~Session();

  const Console& console() const { return console_; }
  const Options& options() const { return options_; }
  bool json() const { return options_.json; }

  // Connects when first used.
  PortalClient& client();

  // Each says how the command ended and returns the exit code that goes with it.
  ExitCode Done(std::string_view text);
  ExitCode Refused(std::string_view reason);
  ExitCode Misused(std::string_view reason);
  ExitCode Unreachable(std::string_view reason);
  // For a call that did not go through at all.
  ExitCode Failed(const grpc::Status& status, Effect effect);
  // For a write that got its answer: `text` is what people read if it was done.
  ExitCode Answered(const grpc::Status& status, const project::Status& answer,
                    std::string_view text);

  // One line of JSON on standard output. Bytes that are not UTF-8 become U+FFFD.
  void PrintJson(const nlohmann::ordered_json& document);

 private:
  ExitCode End(ExitCode code, std::string_view reason);

  const Console console_;
  const Options options_;
  std::unique_ptr<PortalClient> client_;
};

// Why a call did not go through, in Portuguese.
std::string ExplainFailure(const grpc::Status& status, Effect effect, const Options& options);

}  // namespace matricula::ctl
