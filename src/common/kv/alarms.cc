#include "common/kv/alarms.h"

#include <algorithm>
#include <tuple>

namespace matricula::kv {

using etcdserverpb::AlarmMember;
using etcdserverpb::AlarmRequest;
using etcdserverpb::AlarmResponse;

namespace {

auto Rank(const AlarmMember& alarm) { return std::tuple(alarm.alarm(), alarm.memberid()); }

}  // namespace

bool Alarms::Apply(const AlarmRequest& request, AlarmResponse& response) {
  if (request.action() == AlarmRequest::GET) {
    for (const AlarmMember& alarm : raised_) {
      const bool asked = request.alarm() == etcdserverpb::NONE || request.alarm() == alarm.alarm();
      if (asked) *response.add_alarms() = alarm;
    }
    return false;
  }
  AlarmMember alarm;
  alarm.set_alarm(request.alarm());
  alarm.set_memberid(request.memberid());
  const auto position = std::lower_bound(
      raised_.begin(), raised_.end(), alarm,
      [](const AlarmMember& left, const AlarmMember& right) { return Rank(left) < Rank(right); });
  const bool is_raised = position != raised_.end() && Rank(*position) == Rank(alarm);
  if (request.action() == AlarmRequest::ACTIVATE) {
    *response.add_alarms() = alarm;
    if (!is_raised) raised_.insert(position, alarm);
    return !is_raised;
  }
  if (request.action() == AlarmRequest::DEACTIVATE && is_raised) {
    *response.add_alarms() = alarm;
    raised_.erase(position);
    return true;
  }
  return false;
}

bool Alarms::Has(etcdserverpb::AlarmType type) const {
  return std::any_of(raised_.begin(), raised_.end(),
                     [&](const AlarmMember& alarm) { return alarm.alarm() == type; });
}

}  // namespace matricula::kv
