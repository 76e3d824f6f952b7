#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

// The etcd of the Debian package `etcd-server`, as child processes on free ports of 127.0.0.1.
namespace matricula::test {

// A TCP port of 127.0.0.1 that nobody listens on right now.
int FreePort();

// A new folder under /tmp that disappears with this object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// One member. It dies with this object, or with the test process at the latest.
class EtcdMember {
 public:
  struct Plan {
    std::string name = "m0";
    int client_port = 0;
    int peer_port = 0;
    std::string initial_cluster;  // empty: a cluster of its own
    std::vector<std::string> flags;
  };
  explicit EtcdMember(Plan plan);
  ~EtcdMember();
  EtcdMember(const EtcdMember&) = delete;
  EtcdMember& operator=(const EtcdMember&) = delete;

  void Launch();
  // Waits until it answers a linearizable read; false after 30 s or if the process has ended.
  bool WaitUntilServing();
  void Kill();      // SIGKILL
  void Pause();     // SIGSTOP
  void Continue();  // SIGCONT

  // Whether the process runs; false also if it ended by itself.
  bool Running();
  // The last of what it has logged.
  std::string LogTail(size_t bytes) const;

  std::string address() const { return "127.0.0.1:" + std::to_string(plan_.client_port); }
  int port() const { return plan_.client_port; }

 private:
  const Plan plan_;
  TemporaryDirectory directory_;
  pid_t pid_ = -1;
};

// Several members of one cluster, serving when constructed. Throws std::runtime_error if it cannot.
class EtcdCluster {
 public:
  explicit EtcdCluster(size_t size, const std::vector<std::string>& flags = {});

  size_t size() const { return members_.size(); }
  EtcdMember& operator[](size_t index) { return *members_[index]; }
  std::vector<std::string> addresses() const;
  // The member that leads, as the members that answer see it; size() if there is none.
  size_t Leader() const;

 private:
  std::vector<std::unique_ptr<EtcdMember>> members_;
};

}  // namespace matricula::test
