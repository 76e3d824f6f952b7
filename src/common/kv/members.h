#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "command.pb.h"
#include "common/base/status.h"

namespace matricula::kv {

// What is known of the members besides their place in the raft configuration: names, addresses,
// and whose disk is whose. Replicated, in the order of ids. The configuration alone says who is a
// member: whoever is not in it, but here, does not count.
class Members {
 public:
  Members() = default;
  explicit Members(std::vector<MemberRecord> records) : records_(std::move(records)) {}

  // NotFound: there is no such member. FailedPrecondition: a member introduces itself with another
  // disk than it had; it has lost what it had promised. Otherwise the change is made.
  base::Status Apply(const MemberChange& change);

  const MemberRecord* Find(uint64_t id) const;
  const std::vector<MemberRecord>& records() const { return records_; }
  // How often they have been changed.
  uint64_t changes() const { return changes_; }

 private:
  MemberRecord* Find(uint64_t id);
  MemberRecord& FindOrAdd(uint64_t id);
  base::Status Introduce(const MemberRecord& told);

  std::vector<MemberRecord> records_;
  uint64_t changes_ = 0;
};

std::string EncodeMembers(const std::vector<MemberRecord>& records);
bool ParseMembers(std::string_view bytes, std::vector<MemberRecord>& records);

}  // namespace matricula::kv
