#pragma once

namespace matricula::ctl {

// How a run ended: what scripts decide by.
enum class ExitCode : int {
  kOk = 0,
  kRefused = 1,       // the system's rules say no, or what was asked for does not exist
  kUsage = 2,         // the command line, or a file it names, makes no sense
  kUnreachable = 69,  // trouble between here and the data: no server, no quorum, no disk
  kInterrupted = 130  // Ctrl-C, after what was on its way had its answer
};

}  // namespace matricula::ctl
