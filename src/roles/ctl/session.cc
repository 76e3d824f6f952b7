#include "roles/ctl/session.h"

#include <fmt/format.h>

#include "common/base/status.h"
#include "roles/ctl/portal_client.h"
#include "roles/ctl/utf8.h"

namespace matricula::ctl {

using nlohmann::ordered_json;

Session::Session(const Console& console, const Options& options)
    : console_(console), options_(options) {}

Session::~Session() = default;

PortalClient& Session::client() {
  if (client_ == nullptr) client_ = std::make_unique<PortalClient>(options_);
  return *client_;
}

ExitCode Session::Done(std::string_view text) {
  if (json()) {
    PrintJson({{"status", 0}, {"msg", ""}});
  } else if (!text.empty()) {
    console_.out << Printable(text) << '\n';
  }
  return ExitCode::kOk;
}

ExitCode Session::Refused(std::string_view reason) { return End(ExitCode::kRefused, reason); }

ExitCode Session::Misused(std::string_view reason) { return End(ExitCode::kUsage, reason); }

ExitCode Session::Unreachable(std::string_view reason) {
  return End(ExitCode::kUnreachable, reason);
}

ExitCode Session::Failed(const grpc::Status& status, Effect effect) {
  return Unreachable(ExplainFailure(status, effect, options_));
}

ExitCode Session::Answered(const grpc::Status& status, const project::Status& answer,
                           std::string_view text) {
  if (!status.ok()) return Failed(status, Effect::kWrite);
  return answer.status() == 0 ? Done(text) : Refused(answer.msg());
}

void Session::PrintJson(const ordered_json& document) {
  console_.out << document.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
}

ExitCode Session::End(ExitCode code, std::string_view reason) {
  if (json()) {
    PrintJson({{"status", static_cast<int>(code)}, {"msg", std::string(reason)}});
  } else {
    console_.err << Printable(reason) << '\n';
  }
  return code;
}

std::string ExplainFailure(const grpc::Status& status, Effect effect, const Options& options) {
  const std::string unknown =
      effect == Effect::kWrite ? "; não se sabe se a operação foi feita" : "";
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return fmt::format("servidor {} fora de alcance{}: {}", options.server, unknown,
                         status.error_message());
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return fmt::format("o servidor {} não respondeu em {} s{}", options.server, options.timeout_s,
                         unknown);
    case grpc::StatusCode::UNIMPLEMENTED:
      return fmt::format("o servidor {} não oferece este serviço", options.server);
    default:
      const auto code = static_cast<base::Code>(status.error_code());
      return fmt::format("problema no servidor {}{}: {}: {}", options.server, unknown,
                         base::CodeName(code), status.error_message());
  }
}

}  // namespace matricula::ctl
