// deps: matricula_replication
// Any bytes as a message from a peer: it is refused, or it is a message that is written as just
// these bytes again.
#include <cstdint>
#include <string_view>

#include "common/base/ensure.h"
#include "common/replication/peer_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace matricula;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto message = replication::DecodeMessage(bytes);
  if (!message.ok()) {
    ENSURE(message.status().code() == base::Code::kInvalidArgument, "whoever sent it was wrong");
    return 0;
  }
  ENSURE(replication::EncodeMessage(*message) == bytes, "there is one way to write a message");
  return 0;
}
