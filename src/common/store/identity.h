#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/kv/rows.h"
#include "common/storage/engine.h"

namespace matricula::store {

// Positive, so that clients who take ids for signed numbers are content.
uint64_t RandomId();

// What a new cluster of several members agrees on before its members have spoken: all of them are
// told the same keys (names, or else addresses), and get the same ids from them.
struct Founding {
  uint64_t cluster_id = 0;
  std::vector<uint64_t> members;
};
uint64_t MemberIdOf(const std::string& key);
Founding FoundingOf(std::vector<std::string> keys);

// The identity in the data; nullopt: there is none yet. DataLoss: it is damaged.
base::Result<std::optional<kv::Identity>> FindIdentity(storage::Engine& engine);
// Writes one, for good, with a disk id of its own.
base::Result<kv::Identity> MakeIdentity(storage::Engine& engine, uint64_t cluster_id,
                                        uint64_t member_id);

}  // namespace matricula::store
