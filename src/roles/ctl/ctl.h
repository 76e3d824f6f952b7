#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "roles/ctl/exit_code.h"

// `matriculad ctl …`: the command line of the portals and of the store, for people (tables, in
// Portuguese) and for programs (`--json`).
//
// Reading order: commands.h is the table of everything it can do; session.h is what each command
// gets to work with; the files *_commands.cc are the commands themselves.
namespace matricula::ctl {

// Where a run writes to.
struct Console {
  std::ostream& out;
  std::ostream& err;
  bool err_is_terminal = false;  // whether progress may be drawn on `err`
};

// Carries out one command. `arguments` are what follows `matriculad ctl`.
ExitCode RunCtl(const std::vector<std::string>& arguments, const Console& console);

}  // namespace matricula::ctl

namespace matricula::roles {

// The same on the process's own streams. argv[0] is the word `ctl`; returns the exit code.
int RunCtl(int argc, char** argv);

}  // namespace matricula::roles
