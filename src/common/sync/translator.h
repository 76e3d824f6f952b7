#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/status.h"
#include "common/store/store.h"
#include "common/sync/bus_event.h"
#include "etcd_kv.pb.h"

namespace matricula::sync {

// Makes of the store's changes what the bus says of them. One thread; blocks while it reads from
// the store.
class Translator {
 public:
  explicit Translator(store::Store& store) : store_(store) {}

  // All changes of one revision, in order; revisions in order. Changes that the bus has no word for
  // (counters, indexes of students, request ids) give nothing. Errors are the store's; the same
  // revision may be given again then.
  base::Result<std::vector<BusEvent>> Translate(std::span<const mvccpb::Event* const> changes);

 private:
  // Classes whose number of seats is remembered, the least recently used leave first.
  static constexpr size_t kMaxRemembered = 10'000;

  struct Seats {
    int vagas = 0;
    std::list<std::string>::iterator used;
  };

  void Remember(const std::string& sigla, int vagas);
  void Forget(const std::string& sigla);
  // Of a class at `revision`; nothing if it is gone or that revision is compacted.
  base::Result<std::optional<int>> VagasAt(const std::string& sigla, int64_t revision);
  // Adds to the students' events of this revision how many seats each has left.
  base::Status CountSeats(std::span<const mvccpb::Event* const> changes,
                          std::vector<BusEvent>& events);

  store::Store& store_;
  std::list<std::string> by_use_;  // most recent first
  std::unordered_map<std::string, Seats> seats_;
};

}  // namespace matricula::sync
