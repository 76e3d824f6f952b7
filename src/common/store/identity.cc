#include "common/store/identity.h"

#include <algorithm>
#include <random>

#include "common/base/sha256.h"

namespace matricula::store {

using base::Code;
using base::Result;
using base::Status;

namespace {

uint64_t IdOf(const std::string& text) {
  base::Sha256 digest;
  digest.Add(text);
  const std::string bytes(digest.Finish());
  uint64_t id = 0;
  for (size_t i = 0; i < sizeof(id); ++i) id = id << 8 | static_cast<unsigned char>(bytes[i]);
  return std::max<uint64_t>(id >> 1, 1);
}

}  // namespace

uint64_t RandomId() {
  std::random_device device;
  const uint64_t id = (static_cast<uint64_t>(device()) << 32 | device()) >> 1;
  return id == 0 ? 1 : id;
}

uint64_t MemberIdOf(const std::string& key) { return IdOf("member " + key); }

Founding FoundingOf(std::vector<std::string> keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  Founding founding;
  std::string all = "cluster";
  for (const std::string& key : keys) {
    all += " " + key;
    founding.members.push_back(MemberIdOf(key));
  }
  founding.cluster_id = IdOf(all);
  return founding;
}

Result<std::optional<kv::Identity>> FindIdentity(storage::Engine& engine) {
  const auto row = engine.Get(kv::kIdentityRow, nullptr);
  if (!row.ok()) {
    if (row.status().code() != Code::kNotFound) return row.status();
    return std::optional<kv::Identity>();
  }
  kv::Identity identity;
  if (kv::ParseIdentity(*row, identity)) return std::optional(identity);
  return Status(Code::kDataLoss, "the identity of this replica is damaged");
}

Result<kv::Identity> MakeIdentity(storage::Engine& engine, uint64_t cluster_id,
                                  uint64_t member_id) {
  const kv::Identity identity{cluster_id, member_id, RandomId()};
  const auto batch = engine.NewBatch();
  batch->Put(kv::kIdentityRow, kv::EncodeIdentity(identity));
  RETURN_IF_ERROR(engine.Write(*batch, storage::Durability::kSynced));
  return identity;
}

}  // namespace matricula::store
