#include "common/mqtt/broker_url.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace matricula::mqtt {
namespace {

using base::Code;
using base::Status;

constexpr int kPlainPort = 1883;
constexpr int kTlsPort = 8883;

Status Bad(std::string_view reason) {
  return {Code::kInvalidArgument,
          fmt::format("a broker's URL is mqtt://[user:password@]host[:port]: {}", reason)};
}

std::optional<int> HexByte(std::string_view two) {
  int value = 0;
  const auto [stop, error] = std::from_chars(two.data(), two.data() + two.size(), value, 16);
  if (two.size() != 2 || error != std::errc() || stop != two.data() + 2) return std::nullopt;
  return value;
}

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const auto byte = HexByte(text.substr(i + 1, 2));
    if (!byte) return std::nullopt;
    result += static_cast<char>(*byte);
    i += 2;
  }
  return result;
}

Status ParseCredentials(std::string_view text, BrokerUrl& url) {
  const size_t colon = text.find(':');
  const auto user = PercentDecode(text.substr(0, colon));
  const auto password =
      colon == std::string_view::npos ? std::string() : PercentDecode(text.substr(colon + 1));
  if (!user || !password) return Bad("malformed percent-encoding in user or password");
  if (user->empty()) return Bad("there is a password but no user");
  url.user = *user;
  url.password = *password;
  return base::OkStatus();
}

Status ParsePort(std::string_view text, BrokerUrl& url) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, url.port);
  if (error != std::errc() || stop != end || url.port < 1 || url.port > 65535) {
    return Bad(fmt::format("'{}' is not a port", text));
  }
  return base::OkStatus();
}

Status ParseAddress(std::string_view text, BrokerUrl& url) {
  size_t host_end = text.find(':');
  if (text.starts_with('[')) {
    const size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return Bad("a bracket is not closed");
    url.host = text.substr(1, bracket - 1);
    host_end = bracket + 1 < text.size() ? bracket + 1 : std::string_view::npos;
    if (host_end != std::string_view::npos && text[host_end] != ':') {
      return Bad("only a port may follow the bracket");
    }
  } else {
    url.host = text.substr(0, host_end);
  }
  if (url.host.empty()) return Bad("the host is missing");
  if (host_end == std::string_view::npos) return base::OkStatus();
  return ParsePort(text.substr(host_end + 1), url);
}

}  // namespace

std::string BrokerUrl::ToString() const {
  const bool bracketed = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", tls ? "mqtts" : "mqtt", bracketed ? "[" : "", host,
                     bracketed ? "]" : "", port);
}

base::Result<BrokerUrl> ParseBrokerUrl(std::string_view text) {
  BrokerUrl url;
  if (text.starts_with("mqtts://")) {
    url.tls = true;
    text.remove_prefix(8);
  } else if (text.starts_with("mqtt://")) {
    text.remove_prefix(7);
  } else {
    return Bad("it begins with mqtt:// or mqtts://");
  }
  url.port = url.tls ? kTlsPort : kPlainPort;
  if (text.ends_with('/')) text.remove_suffix(1);
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) {
    RETURN_IF_ERROR(ParseCredentials(text.substr(0, at), url));
    text.remove_prefix(at + 1);
  }
  RETURN_IF_ERROR(ParseAddress(text, url));
  return url;
}

}  // namespace matricula::mqtt
