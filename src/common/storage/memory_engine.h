#pragma once

#include <memory>

#include "common/storage/engine.h"

namespace matricula::storage {

// An engine in memory, for tests and the simulator: the same calls give the same answers, always.
// Thread-safe. Durable as long as the object lives; cannot make checkpoints.
std::unique_ptr<Engine> NewMemoryEngine();

}  // namespace matricula::storage
