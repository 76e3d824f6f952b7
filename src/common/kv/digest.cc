#include "common/kv/digest.h"

#include <algorithm>

#include "common/base/hash64.h"

namespace matricula::kv {
namespace {

using base::Hash64;
using base::Mix64;

uint64_t Chain(uint64_t chain, uint64_t number) { return Mix64(Mix64(chain) ^ number); }

uint64_t Chain(uint64_t chain, int64_t number) {
  return Chain(chain, static_cast<uint64_t>(number));
}

// Never the number of what is not there.
uint64_t Present(uint64_t hash) { return std::max<uint64_t>(hash, 1); }

}  // namespace

uint64_t HashOfKey(std::string_view key, const Version& version, std::string_view value) {
  uint64_t hash = Hash64(static_cast<uint64_t>(kKeyTable), key);
  for (const int64_t number :
       {version.mod.main, version.mod.sub, version.create, version.version, version.lease}) {
    hash = Chain(hash, number);
  }
  return Present(Hash64(hash, value));
}

uint64_t HashOfLease(int64_t lease, int64_t ttl_s) {
  return Present(Chain(Chain(static_cast<uint64_t>(kLeaseTable), lease), ttl_s));
}

void Replace(Digest& digest, uint64_t before, uint64_t after) {
  digest.sum += after - before;
  digest.chain = Chain(Chain(digest.chain, before), after);
}

void Note(Digest& digest, std::string_view what, std::string_view bytes) {
  digest.chain = Chain(Hash64(digest.chain, what), Hash64(0, bytes));
}

void Note(Digest& digest, std::string_view what, uint64_t number) {
  digest.chain = Chain(Hash64(digest.chain, what), number);
}

StateDigest ToMessage(const Digest& digest, uint64_t index) {
  StateDigest message;
  message.set_index(index);
  message.set_chain(digest.chain);
  message.set_sum(digest.sum);
  message.set_since(digest.since);
  return message;
}

}  // namespace matricula::kv
