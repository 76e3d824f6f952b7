#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "test/differential/generator.h"
#include "test/differential/side.h"
#include "test/differential/watch_pair.h"

namespace matricula::differential {

// Plays one random history on two servers that nobody has written to before, and compares all that
// they say. The first difference ends it.
class History {
 public:
  History(Side& left, Side& right, uint64_t seed);

  // False: there was a difference; describe() tells of it.
  bool Run(int operations);

  const std::string& difference() const { return difference_; }
  // How many of each kind were played, for people.
  std::string Summary() const;

 private:
  void Step();
  void StepKv(int choice);
  void StepLease();
  void StepWatch();
  void Compact();
  void PutTooLarge();
  void RunWatchScript();
  void OpenWatch();
  void CloseWatch();
  // Waits until all watches are up to date.
  void CatchUp();
  void CheckHash(int64_t revision);
  void CheckEverything();
  void CheckExpiry();

  // The same request to both; `start(side, context, queue)` prepares the call. Returns whether it
  // went well, which is the same on both sides.
  template <class Response, class Prepare>
  bool Both(const std::string& kind, const google::protobuf::Message& request, Prepare prepare);
  bool Same(const std::string& what, const std::string& left, const std::string& right);

  bool Range(const etcdserverpb::RangeRequest& request);
  bool Put(const etcdserverpb::PutRequest& request);
  bool Grant(const etcdserverpb::LeaseGrantRequest& request);
  bool Revoke(int64_t lease);

  Side& left_;
  Side& right_;
  Generator generator_;
  WatchPair log_;  // everything, from the beginning
  WatchReader seen_;
  std::deque<std::unique_ptr<WatchPair>> watches_;
  std::map<std::string, int> counts_;
  std::string difference_;
};

}  // namespace matricula::differential
