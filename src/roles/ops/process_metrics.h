#pragma once

#include <cstdint>

#include "roles/ops/sheet.h"

namespace matricula::roles {

// What the kernel knows of this process (proc(5)), under Prometheus' usual names.
void CollectProcess(int64_t start_wall_ms, Sheet& sheet);

}  // namespace matricula::roles
