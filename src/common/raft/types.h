#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

// The words that the protocol is made of. Each number has a type of its own, so that a term is
// never passed where an index belongs.
namespace matricula::raft {

template <class Tag>
class Tagged {
 public:
  constexpr Tagged() = default;
  explicit constexpr Tagged(uint64_t value) : value_(value) {}
  constexpr uint64_t value() const { return value_; }
  friend constexpr auto operator<=>(Tagged, Tagged) = default;

 private:
  uint64_t value_ = 0;
};

// A term of office: at most one leader each. 0 comes before every election.
using Term = Tagged<struct TermTag>;
// A place in the log, from 1 on. 0 stands before the first entry.
using Index = Tagged<struct IndexTag>;
// A member. 0 is nobody.
using NodeId = Tagged<struct NodeIdTag>;

inline constexpr NodeId kNobody{0};

constexpr Index operator+(Index index, uint64_t places) { return Index(index.value() + places); }
constexpr Index operator-(Index index, uint64_t places) { return Index(index.value() - places); }
constexpr uint64_t operator-(Index to, Index from) { return to.value() - from.value(); }
constexpr Index& operator++(Index& index) { return index = index + 1; }
constexpr Term Next(Term term) { return Term(term.value() + 1); }

// Immutable bytes, shared and not copied: one proposal stands in the log, in the messages to every
// peer and in what is applied.
class Payload {
 public:
  Payload() = default;
  Payload(std::string bytes)  // NOLINT(google-explicit-constructor)
      : bytes_(bytes.empty() ? nullptr : std::make_shared<const std::string>(std::move(bytes))) {}

  std::string_view view() const { return bytes_ ? std::string_view(*bytes_) : std::string_view(); }
  size_t size() const { return bytes_ ? bytes_->size() : 0; }
  friend bool operator==(const Payload& a, const Payload& b) { return a.view() == b.view(); }

 private:
  std::shared_ptr<const std::string> bytes_;
};

// The values are on disk and on the wire: never renumber.
enum class EntryType : uint8_t {
  kCommand = 0,  // what was proposed
  kEmpty = 1,    // a new leader's first entry (thesis §6.4); applying it changes nothing. Index 1
                 // holds the group's first configuration instead.
  kConf = 2,     // a ConfEntry (membership.h): a configuration, in force since it was appended
};

struct Entry {
  Index index;
  Term term;
  EntryType type = EntryType::kCommand;
  Payload payload;

  // What an entry counts for in every limit in bytes: its payload and a flat charge, so that empty
  // ones are not free.
  static constexpr size_t kOverheadBytes = 32;
  size_t Cost() const { return payload.size() + kOverheadBytes; }
  friend bool operator==(const Entry&, const Entry&) = default;
};

// What a node must remember to keep its word (thesis figure 3.1). `commit` is a convenience: it
// may be behind after a crash, never ahead of the log.
struct HardState {
  Term term;
  NodeId vote = kNobody;
  Index commit;
  friend bool operator==(const HardState&, const HardState&) = default;
};

// Names a read, a forwarded proposal or a snapshot transfer, once and for all: `incarnation` is
// larger at every start of a node, `number` grows within one. An answer to a ticket of an earlier
// life is therefore never taken for an answer to this one's.
struct Ticket {
  NodeId node;
  uint64_t incarnation = 0;
  uint64_t number = 0;
  friend constexpr auto operator<=>(const Ticket&, const Ticket&) = default;
};

}  // namespace matricula::raft
