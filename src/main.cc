// matriculad: flags → settings → house → run until a signal. `matriculad ctl …` is its client.
#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/log_sink.h"
#include "common/rpc/library.h"
#include "roles/ctl/ctl.h"
#include "roles/house.h"
#include "roles/settings.h"

extern char** environ;

namespace matricula {
namespace {

// sysexits(3): what scripts and service managers can trust.
constexpr int kExitUsage = 2;
constexpr int kExitUnavailable = 69;
constexpr int kExitCannotStart = 78;
constexpr std::chrono::milliseconds kStopGrace{2'000};

std::map<std::string, std::string> Environment() {
  std::map<std::string, std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    result.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return result;
}

base::log::Level LevelOf(const std::string& name) {
  using base::log::Level;
  static const std::map<std::string, Level> levels = {{"debug", Level::kDebug},
                                                      {"info", Level::kInfo},
                                                      {"warning", Level::kWarning},
                                                      {"error", Level::kError}};
  return levels.at(name);
}

// The signals that end the process are taken by sigwait below, so every thread must inherit them
// blocked.
sigset_t BlockEndingSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a file at its limit is an error of the disk, which is handled
  return signals;
}

void ConfigureLog(const roles::Settings& settings,
                  const std::map<std::string, std::string>& environment) {
  using base::log::Format;
  const auto stream = environment.find("JOURNAL_STREAM");
  base::log::SetLevel(LevelOf(settings.log_level));
  base::log::SetSink(
      {.format = settings.log_format == "json" ? Format::kJson : Format::kText,
       .journal = stream != environment.end() && base::log::IsJournal(stream->second)});
}

int Run(const roles::Settings& settings, const std::map<std::string, std::string>& environment) {
  ConfigureLog(settings, environment);
  const sigset_t signals = BlockEndingSignals();
  roles::House house(settings, base::SystemClock(), environment);
  if (const base::Status status = house.Start(); !status.ok()) {
    base::log::Error("process.cannot_start", {{"reason", status.message()}});
    return status.code() == base::Code::kUnavailable ? kExitUnavailable : kExitCannotStart;
  }
  base::log::Info("process.ready",
                  {{"portals", house.portals_address()}, {"kv", house.kv_address()}});
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  base::log::Info("process.stopping", {{"signal", signal_number}});
  // Whoever asks a second time wants it at once.
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  house.Stop(kStopGrace);
  base::log::Info("process.stopped");
  return EXIT_SUCCESS;
}

int Main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "ctl") return roles::RunCtl(argc - 1, argv + 1);
  const auto environment = Environment();
  const auto invocation = roles::ParseInvocation(argc, argv, environment);
  if (!invocation.ok()) {
    std::fprintf(stderr, "matriculad: %s\n", invocation.status().message().c_str());
    return kExitUsage;
  }
  if (invocation->message) {
    std::fputs(invocation->message->c_str(), stdout);
    return EXIT_SUCCESS;
  }
  if (invocation->print_config) {
    std::fputs(roles::RenderSettings(*invocation).c_str(), stdout);
    return EXIT_SUCCESS;
  }
  if (invocation->check_config) {
    std::puts("ok");
    return EXIT_SUCCESS;
  }
  return Run(invocation->settings, environment);
}

}  // namespace
}  // namespace matricula

int main(int argc, char** argv) {
  matricula::rpc::SetUpLibraries();
  return matricula::Main(argc, argv);
}
