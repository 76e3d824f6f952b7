#include "test/unit/mqtt/broker_process.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "common/mqtt/tcp_probe.h"

namespace matricula::mqtt {
namespace {

int FreePort() {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    throw std::runtime_error("no free port");
  }
  socklen_t size = sizeof(address);
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  close(descriptor);
  return ntohs(address.sin_port);
}

}  // namespace

BrokerProcess::BrokerProcess() : port_(FreePort()) {
  char folder[] = "/tmp/matricula-broker-XXXXXX";
  if (mkdtemp(folder) == nullptr) throw std::runtime_error("no folder for the broker");
  folder_ = folder;
  std::ofstream(folder_ + "/mosquitto.conf")
      << "listener " << port_ << " 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 1000\n"
      << "max_queued_messages 100000\nuser root\n";
}

BrokerProcess::~BrokerProcess() {
  Kill();
  std::filesystem::remove_all(folder_);
}

void BrokerProcess::Start() {
  const std::string config = folder_ + "/mosquitto.conf";
  process_ = fork();
  if (process_ == 0) {
    if (freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    execlp("mosquitto", "mosquitto", "-c", config.c_str(), nullptr);
    _exit(127);
  }
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (ProbeTcp("127.0.0.1", port_, 100).ok()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  throw std::runtime_error("mosquitto does not start");
}

void BrokerProcess::Kill() {
  if (process_ < 0) return;
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
  process_ = -1;
}

}  // namespace matricula::mqtt
