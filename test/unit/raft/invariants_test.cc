// Bugs of a driver, or of the core, must end the process. Each case runs in a child.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <functional>

#include "common/raft/log.h"
#include "test/unit/raft/harness.h"

namespace matricula::raft::testing {
namespace {

// What a child that does this says before it aborts; empty if it lives.
std::string LastWords(const std::function<void(Cluster&)>& act) {
  int pipe_ends[2];
  REQUIRE(pipe(pipe_ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // Catch2 has its own
    dup2(pipe_ends[1], STDERR_FILENO);
    Cluster cluster(3);
    cluster.Elect(1);
    act(cluster);
    _exit(0);
  }
  close(pipe_ends[1]);
  std::string words;
  char buffer[256];
  for (ssize_t n = 0; (n = read(pipe_ends[0], buffer, sizeof buffer)) > 0;) {
    words.append(buffer, static_cast<size_t>(n));
  }
  close(pipe_ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? words : "";
}

void Dies(const std::string& meaning, const std::function<void(Cluster&)>& act) {
  const std::string words = LastWords(act);
  INFO("it said: " << words);
  CHECK(words.find(meaning) != std::string::npos);
}

}  // namespace

TEST_CASE("whoever does nothing wrong lives") {
  const std::string words = LastWords([](Cluster& cluster) { cluster.Propose(1, "a"); });
  CHECK(words.empty());
}

TEST_CASE("a report about an output that was never taken ends the process") {
  Dies("that output was never taken", [](Cluster& cluster) { cluster[1].core().Persisted(1000); });
}

TEST_CASE("a report of having applied what was not handed out ends the process") {
  Dies("only what was handed out can have been applied",
       [](Cluster& cluster) { cluster[1].core().Applied(Index(9)); });
}

TEST_CASE("compacting what is not applied ends the process") {
  Dies("what is not applied cannot be compacted",
       [](Cluster& cluster) { cluster[1].core().Compacted(Index(9)); });
}

TEST_CASE("a second leader in one term ends the process") {
  for (const uint64_t id : {1, 2}) {
    Dies("two leaders in one term", [&](Cluster& cluster) {
      (void)cluster[id].core().Step({NodeId(3), NodeId(id), Term(1), Heartbeat{}});
    });
  }
}

TEST_CASE("replacing a committed entry ends the process") {
  Dies("a committed entry must never leave the log", [](Cluster&) {
    const MemoryLog disk;
    Log log(disk, Index(0), Index(0), {1000, 1000});
    log.Append({{Index(1), Term(1), EntryType::kEmpty, {}}});
    log.CommitTo(Index(1));
    log.Append({{Index(1), Term(2), EntryType::kEmpty, {}}});
  });
}

TEST_CASE("a core that is made of what does not fit together ends the process") {
  Dies("what was restored must fit together", [](Cluster&) {
    Config config;
    config.id = NodeId(1);
    const MemoryLog disk;
    const Core core(config, {{Term(1), kNobody, Index(4)}, Index(0), {}}, disk);
  });
  Dies("the configuration of the core must be valid", [](Cluster&) {
    const MemoryLog disk;
    const Core core(Config{}, {}, disk);
  });
}

TEST_CASE("too many outputs without a report end the process") {
  Dies("too many outputs wait for Persisted", [](Cluster& cluster) {
    Core& core = cluster[1].core();
    for (size_t i = 0; i <= Core::kMaxOutputsInFlight; ++i) {
      (void)core.Propose({Payload("x")});
      (void)core.TakeOutput();
    }
  });
}

}  // namespace matricula::raft::testing
