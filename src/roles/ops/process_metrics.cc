#include "roles/ops/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace matricula::roles {
namespace {

// Of /proc/self/stat, from the third field on: the second, the name, may hold blanks.
struct Stat {
  double cpu_ticks = 0;
  double threads = 0;
  double virtual_bytes = 0;
  double resident_pages = 0;
};

// The numbers of the fields are proc(5)'s.
Stat ReadStat() {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const size_t name_end = text.rfind(')');
  Stat stat;
  if (name_end == std::string::npos) return stat;
  std::istringstream fields(text.substr(name_end + 1));
  std::string state;
  fields >> state;
  double value = 0;
  for (int field = 4; field <= 24 && fields >> value; ++field) {
    if (field == 14 || field == 15) stat.cpu_ticks += value;
    if (field == 20) stat.threads = value;
    if (field == 23) stat.virtual_bytes = value;
    if (field == 24) stat.resident_pages = value;
  }
  return stat;
}

double CountDescriptors() {
  std::error_code error;
  const std::filesystem::directory_iterator begin("/proc/self/fd", error);
  return static_cast<double>(std::distance(begin, std::filesystem::directory_iterator()));
}

}  // namespace

void CollectProcess(int64_t start_wall_ms, Sheet& sheet) {
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const Stat stat = ReadStat();
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  sheet.Counter("process_cpu_seconds_total", "CPU time, of the user and of the system.",
                stat.cpu_ticks / ticks);
  sheet.Gauge("process_resident_memory_bytes", "Memory in use.",
              stat.resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE)));
  sheet.Gauge("process_virtual_memory_bytes", "Address space in use.", stat.virtual_bytes);
  sheet.Gauge("process_open_fds", "Descriptors in use.", CountDescriptors());
  sheet.Gauge("process_max_fds", "Descriptors that may be used.",
              static_cast<double>(limit.rlim_cur));
  sheet.Gauge("process_threads", "Threads.", stat.threads);
  sheet.Gauge("process_start_time_seconds", "When the process started, since 1970.",
              static_cast<double>(start_wall_ms) / 1e3);
}

}  // namespace matricula::roles
