// deps: matricula_raft
// Configuration entries come from the disk and from peers.
#include <cstdint>
#include <string_view>

#include "common/base/ensure.h"
#include "common/raft/membership.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace matricula::raft;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto entry = DecodeConfEntry(bytes);
  if (!entry.ok()) return 0;
  ENSURE(EncodeConfEntry(*entry).view() == bytes, "there is one way to write a configuration");
  // Whatever was read can be worked with.
  const ConfChange leave;
  if (const auto next = Reconfigure(entry->conf, leave); next.ok()) {
    ENSURE(!next->IsJoint(), "what was left is not joint");
  }
  return 0;
}
