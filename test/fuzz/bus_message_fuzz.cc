// deps: matricula_sync
// Topics and payloads of strangers: the first line is the topic, the rest the payload.
#include <cstdint>
#include <string_view>

#include "common/base/ensure.h"
#include "common/sync/bus_event.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace matricula::sync;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t line = input.find('\n');
  const std::string_view payload =
      line == std::string_view::npos ? std::string_view() : input.substr(line + 1);
  const auto event = ParseMessage(input.substr(0, line), payload);
  if (!event.ok()) return 0;
  // What is understood must be the same after being said again, where it is text at all.
  const std::string said = PayloadOf(*event);
  const auto again = ParseMessage(TopicOf(*event), said);
  ENSURE(again.ok(), "what we say ourselves must be understood");
  ENSURE(PayloadOf(*again) == said, "what we understand must be what was said");
  return 0;
}
