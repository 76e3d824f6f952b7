#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

// What clients of the store asked and were told, and what the store says has changed.
namespace matricula::chaos {

using Value = std::optional<std::string>;  // none: there is no such key

struct Pair {
  std::string key;
  Value value;
  int64_t mod_revision = 0;  // where it is known: in what was read

  bool operator==(const Pair&) const = default;
};

// One request. A plain read has neither writes nor conditions; a plain write has no conditions.
struct Operation {
  int client = 0;
  int member = 0;  // whom it was sent to
  bool serializable = false;
  int64_t start_ns = 0;
  int64_t end_ns = 0;
  std::string id;  // the value that only this request writes; empty: a read
  std::vector<Pair> conditions;
  std::vector<Pair> writes;  // done if all conditions hold
  bool answered = false;
  bool succeeded = false;   // the conditions held, as the answer says
  int64_t revision = 0;     // of the answer
  std::vector<Pair> reads;  // in the answer; after a failed condition, too
  std::string error;
};

// One changed key, as a watch tells it.
struct Change {
  int64_t revision = 0;
  std::string key;
  Value value;

  bool operator==(const Change&) const = default;
};

// A watch has told of a revision: from then on it is known.
struct Sighting {
  int64_t at_ns = 0;
  int64_t revision = 0;
};

std::string Describe(const Operation& operation);
std::string Describe(const Change& change);

}  // namespace matricula::chaos
