#pragma once

#include "roles/ctl/commands.h"

namespace matricula::ctl {

// `ctl member …`; described together with the rest of what is about the store.
void DescribeMember(CLI::App& root, CommandSet& set);

}  // namespace matricula::ctl
