#pragma once

#include <cstddef>

#include "common/raft/message.h"

namespace matricula::replication {

// What a message weighs in a bounded queue, in bytes: entries and chunks; the rest is small.
size_t QueueCost(const raft::Message& message);

}  // namespace matricula::replication
