#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/status.h"

namespace matricula::base {

// What an older program says of data whose format it does not know: FailedPrecondition, and one
// sentence that says which versions met.
Status NewerFormat(std::string_view what, uint64_t found, uint64_t known);

}  // namespace matricula::base
