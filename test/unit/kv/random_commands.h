#pragma once

#include <random>
#include <string>

#include "command.pb.h"

namespace matricula::kv::test {

// Commands and reads that collide a lot: few keys, few leases, revisions around the current one.
class RandomCommands {
 public:
  explicit RandomCommands(uint64_t seed) : random_(seed) {}

  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t times) { return Below(times) == 0; }

  std::string Key() {
    static constexpr std::string_view kBytes("ab\0\xff", 4);
    std::string key(1, kBytes[Below(2)]);
    for (uint64_t more = Below(4); more > 0; --more) key += kBytes[Below(kBytes.size())];
    return key;
  }

  // Sets key and range_end of a message: mostly one key, else a range, an empty one, everything.
  template <class Message>
  void Range(Message& message) {
    message.set_key(Key());
    if (OneIn(2)) return;
    message.set_range_end(OneIn(3) ? std::string(1, '\0') : Key());
    if (OneIn(6)) message.set_key(std::string(1, '\0'));
  }

  int64_t Revision(int64_t current) {
    if (OneIn(2)) return 0;
    return static_cast<int64_t>(Below(static_cast<uint64_t>(current) + 2)) - (OneIn(30) ? 2 : 0);
  }

  etcdserverpb::RangeRequest RangeRequest(int64_t current) {
    etcdserverpb::RangeRequest request;
    Range(request);
    request.set_revision(Revision(current));
    if (OneIn(2)) request.set_limit(static_cast<int64_t>(Below(5)));
    if (OneIn(3)) request.set_sort_order(static_cast<Order>(Below(3)));
    if (OneIn(3)) request.set_sort_target(static_cast<Target>(Below(5)));
    request.set_keys_only(OneIn(5));
    request.set_count_only(OneIn(8));
    if (OneIn(6)) request.set_min_mod_revision(Revision(current));
    if (OneIn(6)) request.set_max_mod_revision(Revision(current));
    if (OneIn(6)) request.set_min_create_revision(Revision(current));
    if (OneIn(6)) request.set_max_create_revision(Revision(current));
    return request;
  }

  int64_t Lease() { return static_cast<int64_t>(Below(5)) - 1; }

  void Put(etcdserverpb::PutRequest& put) {
    put.set_key(Key());
    put.set_value(std::string(Below(8), static_cast<char>('0' + Below(10))));
    if (OneIn(4)) put.set_lease(Lease());
    put.set_prev_kv(OneIn(3));
    if (OneIn(10)) {
      put.set_ignore_value(true);
      put.clear_value();
    }
    if (OneIn(10)) {
      put.set_ignore_lease(true);
      put.clear_lease();
    }
  }

  void Delete(etcdserverpb::DeleteRangeRequest& request) {
    Range(request);
    request.set_prev_kv(OneIn(3));
  }

  void Compare(etcdserverpb::Compare& compare, int64_t current) {
    compare.set_key(Key());
    if (OneIn(4)) Range(compare);
    compare.set_result(static_cast<Result>(Below(4)));
    compare.set_target(static_cast<CompareTarget>(Below(5)));
    switch (OneIn(10) ? Below(5) : static_cast<uint64_t>(compare.target())) {
      case 0:
        return compare.set_version(static_cast<int64_t>(Below(4)));
      case 1:
        return compare.set_create_revision(Revision(current));
      case 2:
        return compare.set_mod_revision(Revision(current));
      case 3:
        return compare.set_value(std::string(Below(4), '5'));
      default:
        return compare.set_lease(Lease());
    }
  }

  void Txn(etcdserverpb::TxnRequest& txn, int64_t current, int depth = 0) {
    for (uint64_t more = Below(3); more > 0; --more) Compare(*txn.add_compare(), current);
    for (uint64_t more = Below(5); more > 0; --more) {
      Operation(*txn.add_success(), current, depth);
    }
    for (uint64_t more = Below(4); more > 0; --more) {
      Operation(*txn.add_failure(), current, depth);
    }
  }

  Command Any(int64_t current) {
    Command command;
    const uint64_t kind = Below(100);
    if (kind < 35) {
      Put(*command.mutable_put());
    } else if (kind < 45) {
      Delete(*command.mutable_delete_range());
    } else if (kind < 80) {
      Txn(*command.mutable_txn(), current);
    } else if (kind < 84) {
      command.mutable_compaction()->set_revision(Revision(current));
    } else if (kind < 92) {
      command.mutable_lease_grant()->set_id(Lease());
      command.mutable_lease_grant()->set_ttl(static_cast<int64_t>(Below(10)) - 2);
      if (OneIn(20)) command.mutable_lease_grant()->set_ttl(9'000'000'001);
    } else if (kind < 97) {
      command.mutable_lease_revoke()->set_id(Lease());
    } else if (kind < 99) {
      auto& alarm = *command.mutable_alarm();
      // Taken back more often than raised, for else little but refusals is tried.
      static constexpr int kActions[] = {0, 1, 2, 2, 2, 2};
      alarm.set_action(static_cast<etcdserverpb::AlarmRequest::AlarmAction>(kActions[Below(6)]));
      alarm.set_alarm(static_cast<etcdserverpb::AlarmType>(Below(3)));
      alarm.set_memberid(Below(2));
    }
    return command;
  }

 private:
  using Order = etcdserverpb::RangeRequest::SortOrder;
  using Target = etcdserverpb::RangeRequest::SortTarget;
  using Result = etcdserverpb::Compare::CompareResult;
  using CompareTarget = etcdserverpb::Compare::CompareTarget;

  void Operation(etcdserverpb::RequestOp& operation, int64_t current, int depth) {
    const uint64_t kind = Below(10);
    if (kind < 3) {
      *operation.mutable_request_range() = RangeRequest(current);
      if (OneIn(2)) operation.mutable_request_range()->clear_revision();
    } else if (kind < 7) {
      Put(*operation.mutable_request_put());
    } else if (kind < 9) {
      Delete(*operation.mutable_request_delete_range());
    } else if (depth < 2) {
      Txn(*operation.mutable_request_txn(), current, depth + 1);
    }
  }

  std::mt19937_64 random_;
};

}  // namespace matricula::kv::test
