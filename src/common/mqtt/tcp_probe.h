#pragma once

#include <string>

#include "common/base/status.h"

namespace matricula::mqtt {

// Opens a TCP connection and closes it again, or says within `timeout_ms` why that cannot be done
// (resolving the name is not covered by it). libmosquitto's own connect would block for minutes
// where packets are swallowed.
base::Status ProbeTcp(const std::string& host, int port, int timeout_ms);

}  // namespace matricula::mqtt
