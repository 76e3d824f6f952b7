#pragma once

#include <string>
#include <string_view>

#include "common/base/status.h"

namespace matricula::mqtt {

// Where a broker is and who we are to it.
struct BrokerUrl {
  bool tls = false;
  std::string host;
  int port = 0;
  std::string user;  // empty: none
  std::string password;

  // "mqtt://host:port", for logs: without user and password.
  std::string ToString() const;
};

// Parses `mqtt://[user[:password]@]host[:port]` or `mqtts://…` (TLS). User and password may be
// percent-encoded, an IPv6 host stands in brackets. Default ports: 1883 and 8883.
// InvalidArgument: what is wrong with it.
base::Result<BrokerUrl> ParseBrokerUrl(std::string_view text);

}  // namespace matricula::mqtt
