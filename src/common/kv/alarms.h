#pragma once

#include <vector>

#include "etcd_rpc.pb.h"

namespace matricula::kv {

// The alarms that members have raised, in the order of type and member.
class Alarms {
 public:
  Alarms() = default;
  explicit Alarms(std::vector<etcdserverpb::AlarmMember> raised) : raised_(std::move(raised)) {}

  // Carries a request out. Answers with the alarms it lists, raised or took back. Returns whether
  // anything changed.
  bool Apply(const etcdserverpb::AlarmRequest& request, etcdserverpb::AlarmResponse& response);

  // Whether any member has raised one of this type.
  bool Has(etcdserverpb::AlarmType type) const;
  const std::vector<etcdserverpb::AlarmMember>& raised() const { return raised_; }

 private:
  std::vector<etcdserverpb::AlarmMember> raised_;
};

}  // namespace matricula::kv
