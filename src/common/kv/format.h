#pragma once

#include "common/base/status.h"
#include "common/storage/engine.h"

namespace matricula::kv {

// Whether what an engine holds can be read by this version of the program. NotFound: it holds
// nothing yet. FailedPrecondition: a newer version wrote it. DataLoss: its format is damaged.
base::Status CheckFormat(const storage::Engine& engine);

}  // namespace matricula::kv
