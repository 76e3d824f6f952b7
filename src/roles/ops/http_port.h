#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/status.h"

struct mg_context;

namespace matricula::roles {

// A small HTTP port for who watches the process: GET alone, text alone, two threads of its own
// (civetweb's), so that it answers whatever the rest is busy with.
class HttpPort {
 public:
  struct Answer {
    int code = 200;
    std::string body;
  };
  // Path to answer; on a thread of the port, which it may hold up for a moment.
  using Handler = std::function<Answer(std::string_view path)>;

  // Unavailable: the address cannot be had.
  static base::Result<std::unique_ptr<HttpPort>> Open(const std::string& address, Handler handler);
  ~HttpPort();  // waits for answers under way

 private:
  explicit HttpPort(Handler handler) : handler_(std::move(handler)) {}

  const Handler handler_;
  mg_context* context_ = nullptr;
};

}  // namespace matricula::roles
