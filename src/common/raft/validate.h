#pragma once

#include "common/base/status.h"
#include "common/raft/config.h"
#include "common/raft/core.h"
#include "common/raft/message.h"

namespace matricula::raft {

// InvalidArgument if no correct peer would send this to the node of `config`. What passes can be
// taken at its word about form: entries follow one another, configurations can be decoded, offsets
// lie within a snapshot.
base::Status ValidateMessage(const Config& config, const Message& message);

}  // namespace matricula::raft
