#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "common/base/clock.h"
#include "common/store/store.h"

namespace matricula::sync {

// Says which one server relays. Asked by the relay's own thread, about every kMandateCheckMs; may
// block. Two servers may believe it at once for a moment: then changes are told twice, never lost.
class Mandate {
 public:
  virtual ~Mandate() = default;
  virtual bool Held() = 0;
  // The relay ends: let somebody else have it at once.
  virtual void GiveUp() {}
};

inline constexpr int64_t kMandateCheckMs = 200;

// Elected through the store: whoever puts kRelayOwnerKey first, under a lease that it keeps alive.
// Where our own replicas are the store, the one that leads them takes it from whoever has it: it
// has the log of changes at hand, and another one leads a second after it died, while a lease of
// the dead lasts longer.
class LeaseMandate final : public Mandate {
 public:
  // Seconds until another server takes over from one that died.
  static constexpr int64_t kLeaseSeconds = 5;

  // `name` goes into the key's value, for operators. `leads` says whether this process leads the
  // replicas of the store; empty in a process that has none of them.
  LeaseMandate(store::Store& store, const base::Clock& clock, std::string name,
               std::function<bool()> leads = {})
      : store_(store), clock_(clock), name_(std::move(name)), leads_(std::move(leads)) {}

  bool Held() override;
  void GiveUp() override;

 private:
  bool Renew();
  bool KeepAlive();
  bool TryToTake();

  store::Store& store_;
  const base::Clock& clock_;
  const std::string name_;
  const std::function<bool()> leads_;
  int64_t lease_id_ = 0;
  bool held_ = false;
  int64_t renewed_ms_ = 0;  // when the key was last known to be ours, and the lease to be good
  int64_t tried_ms_ = 0;
};

}  // namespace matricula::sync
