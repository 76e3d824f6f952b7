#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "roles/ctl/import_file.h"
#include "roles/ctl/import_pipeline.h"
#include "roles/ctl/interrupt.h"
#include "roles/ctl/progress.h"
#include "roles/ctl/session.h"

namespace matricula::ctl {

struct ImportSource {
  std::string path;  // "-": standard input
  const ImportKind* kind = nullptr;
};

struct ImportSettings {
  bool dry_run = false;
  int in_flight = kDefaultInFlight;
  std::string run_id;  // names this run in the request ids of its lines
};

// Reads files and puts their lines into the system, one file after the other, and says at the end
// what became of them. A bad line costs only itself.
//
// A line's request id is made of the run's id, its file's name, its number and its content: the
// same file imported again under the same run's id does nothing twice, while an edited line is a
// new one. Another run has other ids, so that a record that was deleted since can be imported
// again.
class ImportRun {
 public:
  ImportRun(Session& session, ImportSettings settings);

  ExitCode Run(const std::vector<ImportSource>& sources);

 private:
  struct Tally {
    std::string name;
    std::string_view kind;
    int64_t lines = 0;
    int64_t done = 0;
    int64_t refused = 0;
    int64_t bad = 0;
    int64_t unanswered = 0;
    int64_t last_line = 0;  // that was read
    int64_t first_unanswered = std::numeric_limits<int64_t>::max();
  };

  bool ImportOne(const ImportSource& source);
  bool Send(ImportFile& file, ImportPipeline& pipeline);
  void Take(const LineAnswer& answer);
  void ReportLine(int64_t line, const std::string& reason);
  std::string RequestId(const ImportLine& line) const;

  ExitCode Verdict() const;
  std::string Explanation(ExitCode code) const;
  ExitCode Summarise();
  void PrintTable() const;

  Session& session_;
  const ImportSettings settings_;
  InterruptGuard interrupt_;
  std::vector<Tally> tallies_;  // the last one is of the file being read
  std::unique_ptr<Progress> progress_;
  grpc::Status trouble_;
  std::string unreadable_;  // a file that could not be read to its end
};

// An id for a new run: 16 random hexadecimal digits.
std::string NewRunId();

}  // namespace matricula::ctl
