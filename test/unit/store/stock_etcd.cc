#include "test/unit/store/stock_etcd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <vector>

namespace matricula::test {
namespace {

constexpr auto kStartTimeout = std::chrono::seconds(60);

// A port that nobody uses now, and hardly anybody in a moment.
int FreePort() {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool bound = bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(descriptor);
  if (!bound) std::abort();
  return ntohs(address.sin_port);
}

std::string Url(int port) { return "http://127.0.0.1:" + std::to_string(port); }

}  // namespace

StockEtcd::StockEtcd() {
  const int client_port = FreePort();
  Start(client_port, FreePort());
  channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(client_port),
                                 grpc::InsecureChannelCredentials());
  running_ = WaitUntilReady();
}

StockEtcd::~StockEtcd() {
  if (process_ <= 0) return;
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

void StockEtcd::Start(int client_port, int peer_port) {
  const std::vector<std::string> words = {"etcd",
                                          "--name",
                                          "stock",
                                          "--data-dir",
                                          directory_.path() + "/data",
                                          "--listen-client-urls",
                                          Url(client_port),
                                          "--advertise-client-urls",
                                          Url(client_port),
                                          "--listen-peer-urls",
                                          Url(peer_port),
                                          "--initial-advertise-peer-urls",
                                          Url(peer_port),
                                          "--initial-cluster",
                                          "stock=" + Url(peer_port),
                                          "--log-level",
                                          "error"};
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  process_ = fork();
  if (process_ != 0) return;
  const int nowhere = open("/dev/null", O_RDWR);
  dup2(nowhere, STDOUT_FILENO);
  dup2(nowhere, STDERR_FILENO);
  execvp("etcd", arguments.data());
  _exit(127);
}

bool StockEtcd::WaitUntilReady() {
  const auto deadline = std::chrono::system_clock::now() + kStartTimeout;
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(deadline);
  etcdserverpb::RangeRequest request;
  request.set_key("ready");
  etcdserverpb::RangeResponse response;
  return etcdserverpb::KV::NewStub(channel_)->Range(&context, request, &response).ok();
}

}  // namespace matricula::test
