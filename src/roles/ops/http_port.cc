#include "roles/ops/http_port.h"

#include <civetweb.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "common/base/log.h"

namespace matricula::roles {
namespace {

// Longer than any scrape; a client that sends nothing does not keep a thread for longer.
constexpr char kRequestTimeoutMs[] = "5000";
constexpr char kThreads[] = "2";

std::string_view ReasonOf(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

// Returns civetweb's "I have answered".
int Reply(mg_connection* connection, const HttpPort::Answer& answer, bool with_body) {
  const std::string head = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
      "Content-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
      answer.code, ReasonOf(answer.code), answer.body.size());
  mg_write(connection, head.data(), head.size());
  if (with_body) mg_write(connection, answer.body.data(), answer.body.size());
  return answer.code;
}

int OnRequest(mg_connection* connection) {
  const mg_request_info* request = mg_get_request_info(connection);
  const auto& handler = *static_cast<const HttpPort::Handler*>(request->user_data);
  const std::string_view method = request->request_method;
  if (method != "GET" && method != "HEAD") {
    return Reply(connection, {405, "only GET is answered here\n"}, true);
  }
  return Reply(connection, handler(request->local_uri), method == "GET");
}

int OnLog(const mg_connection* /*connection*/, const char* message) {
  base::log::Debug("http.message", {{"text", message}});
  return 1;  // nobody else logs it
}

// civetweb knows a port alone for "everywhere", and no host names.
std::string ListeningPort(const std::string& address) {
  constexpr std::string_view kLocalhost = "localhost:";
  if (address.starts_with(kLocalhost)) return "127.0.0.1:" + address.substr(kLocalhost.size());
  return address;
}

}  // namespace

base::Result<std::unique_ptr<HttpPort>> HttpPort::Open(const std::string& address,
                                                       Handler handler) {
  std::unique_ptr<HttpPort> port(new HttpPort(std::move(handler)));
  mg_init_library(0);
  mg_callbacks callbacks{};
  callbacks.begin_request = OnRequest;
  callbacks.log_message = OnLog;
  const std::string listening = ListeningPort(address);
  const char* options[] = {
      "listening_ports", listening.c_str(),   "num_threads", kThreads, "request_timeout_ms",
      kRequestTimeoutMs, "enable_keep_alive", "no",          nullptr};
  errno = 0;
  port->context_ = mg_start(&callbacks, const_cast<Handler*>(&port->handler_), options);
  if (port->context_ == nullptr) {
    const std::string reason = errno != 0 ? std::strerror(errno) : "no such address here";
    return base::Status(base::Code::kUnavailable,
                        fmt::format("cannot listen on {}: {}", address, reason));
  }
  return port;
}

HttpPort::~HttpPort() {
  if (context_ != nullptr) mg_stop(context_);
  mg_exit_library();
}

}  // namespace matricula::roles
