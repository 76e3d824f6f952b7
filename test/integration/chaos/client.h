#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "test/integration/chaos/history.h"
#include "test/integration/chaos/members.h"

namespace matricula::chaos {

// Those of the clients' manners that make a difference to what faults they meet.
enum class Manner {
  kRoaming,  // another member after each error, or after some requests
  // One member alone, and waits long for its answers: longer than a leader is paused, so that what
  // it was asked before or meanwhile is answered afterwards.
  kPatient,
  // One member alone, and soon asks again: somebody must notice at once when a write is possible.
  kHasty,
};

struct ClientPlan {
  int number = 0;
  uint64_t seed = 0;
  Manner manner = Manner::kRoaming;
  int member = 0;         // where it does not roam
  int64_t pause_ms = 10;  // on the average, between two requests
};

// A client of the store that asks one thing after another, all of it recorded.
class Client {
 public:
  static constexpr int kRegisters = 6;

  // `on_done` is told of each request that has ended.
  Client(ClientPlan plan, const std::vector<std::string>& members, const base::Clock& clock,
         std::function<void(const Operation&)> on_done);

  // Asks until `stop`; ends once the last answer is there.
  void Run(const std::atomic<bool>& stop);
  // One plain write to one member.
  Operation Put(int member, const std::string& key);

 private:
  Operation Begin(bool is_write);
  Operation DrawRead();
  Operation DrawWrite();
  int64_t TimeoutMs() const;
  void Perform(Operation& operation);
  void Read(Operation& operation);
  void Write(Operation& operation);
  void Transact(Operation& operation);
  void Remember(const Operation& operation);
  int Draw(int below) { return static_cast<int>(random_() % static_cast<uint64_t>(below)); }
  std::string DrawKey();

  const ClientPlan plan_;
  const base::Clock& clock_;
  const std::function<void(const Operation&)> on_done_;
  const std::vector<Stubs> members_;
  std::mt19937_64 random_;
  int member_ = 0;
  int left_with_member_ = 0;
  int64_t next_id_ = 1;
  int64_t next_page_ = 1;  // of this client's diary
  std::map<std::string, Value> seen_;
};

}  // namespace matricula::chaos
