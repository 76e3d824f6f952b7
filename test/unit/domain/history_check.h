#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "fake_kv.h"
#include "model.h"

namespace matricula::domain {

// A request with what became of it.
struct Operation {
  Request request;
  bool reads = false;
  std::string request_id;
  int64_t called = 0;  // the store's revision when it was called
  // The store's revision when it was answered; none if it never was.
  int64_t answered = std::numeric_limits<int64_t>::max();
  enum class End { kNone, kOk, kRefused, kError } end = End::kNone;
  std::string text;  // the reason of the refusal, the error, or what was read
};

// Holds a whole history against the sequential model. The store's revisions are the one total
// order, so it is enough that
//  * every revision keeps the promises (see Decode),
//  * every change was asked for by exactly one operation under way at its revision, and legal
//    just before it; every operation that was told ok made exactly one change (all with the same
//    request id: one together); every refused one made none,
//  * every refusal, and every read, was true at some revision while it was under way.
// Returns what is wrong.
std::vector<std::string> CheckHistory(const FakeKv& kv, const std::vector<Operation>& operations);

}  // namespace matricula::domain
