#pragma once

#include <span>
#include <string>
#include <vector>

#include "common/kv/mvcc.h"

namespace matricula::kv {

// Rows fetched ahead for one group, at most.
inline constexpr size_t kMaxPrefetchedRows = 8'192;

// The rows, in the table of keys, that a group of commands is likely to look up: single keys that
// are compared, put or deleted, where the compares hold. A guess: what it misses is looked up
// when it is needed.
std::vector<std::string> RowsToPrefetch(std::span<const LogCommand> commands);

}  // namespace matricula::kv
