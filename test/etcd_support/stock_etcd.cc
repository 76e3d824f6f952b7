#include "test/etcd_support/stock_etcd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grpc/support/time.h>
#include <grpcpp/create_channel.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>

#include "etcd_rpc.grpc.pb.h"

namespace matricula::test {
namespace {

constexpr auto kStartTimeout = std::chrono::seconds(30);
constexpr auto kPause = std::chrono::milliseconds(20);

std::string Url(int port) { return "http://127.0.0.1:" + std::to_string(port); }

std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

void SetTimeout(grpc::ClientContext& context, int64_t ms) {
  context.set_deadline(gpr_time_from_millis(ms, GPR_TIMESPAN));
}

bool Serves(const std::string& address) {
  const auto stub = etcdserverpb::KV::NewStub(Connect(address));
  grpc::ClientContext context;
  SetTimeout(context, 1'000);
  etcdserverpb::RangeRequest request;
  request.set_key("health");
  etcdserverpb::RangeResponse response;
  return stub->Range(&context, request, &response).ok();
}

bool CanBind(int port) {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool free = bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  close(probe);
  return free;
}

}  // namespace

int FreePort() {
  // Below the kernel's ephemeral ports, so that no outgoing connection takes it meanwhile.
  static std::set<int> given;
  static std::mt19937 random{std::random_device()()};
  std::uniform_int_distribution<int> ports(12'000, 29'999);
  for (int attempt = 0; attempt < 1'000; ++attempt) {
    const int port = ports(random);
    if (given.count(port) == 0 && CanBind(port)) {
      given.insert(port);
      return port;
    }
  }
  throw std::runtime_error("no free port");
}

TemporaryDirectory::TemporaryDirectory() {
  std::string name = "/tmp/matricula-test.XXXXXX";
  if (mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("no temporary folder");
  }
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

EtcdMember::EtcdMember(Plan plan) : plan_(std::move(plan)) {}

EtcdMember::~EtcdMember() { Kill(); }

void EtcdMember::Launch() {
  const std::string client = Url(plan_.client_port);
  const std::string peer = Url(plan_.peer_port);
  std::vector<std::string> words = {
      "etcd",
      "--name",
      plan_.name,
      "--data-dir",
      directory_.path() + "/data",
      "--listen-client-urls",
      client,
      "--advertise-client-urls",
      client,
      "--listen-peer-urls",
      peer,
      "--initial-advertise-peer-urls",
      peer,
      "--initial-cluster",
      plan_.initial_cluster.empty() ? plan_.name + "=" + peer : plan_.initial_cluster,
      "--log-level",
      "warn"};
  words.insert(words.end(), plan_.flags.begin(), plan_.flags.end());
  std::vector<char*> arguments;
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  const std::string log = directory_.path() + "/log";
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    execvp("etcd", arguments.data());
    _exit(127);
  }
  if (pid_ < 0) {
    throw std::runtime_error("cannot start etcd");
  }
}

bool EtcdMember::WaitUntilServing() {
  const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
  while (std::chrono::steady_clock::now() < deadline) {
    if (!Running()) {
      return false;
    }
    if (Serves(address())) {
      return true;
    }
    std::this_thread::sleep_for(kPause);
  }
  return false;
}

bool EtcdMember::Running() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) != 0) {
    pid_ = -1;
  }
  return pid_ > 0;
}

std::string EtcdMember::LogTail(size_t bytes) const {
  std::ifstream file(directory_.path() + "/log");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return text.size() > bytes ? text.substr(text.size() - bytes) : text;
}

void EtcdMember::Kill() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
}

void EtcdMember::Pause() {
  kill(pid_, SIGSTOP);
  waitpid(pid_, nullptr, WUNTRACED);  // its threads stop one after the other
}

void EtcdMember::Continue() { kill(pid_, SIGCONT); }

EtcdCluster::EtcdCluster(size_t size, const std::vector<std::string>& flags) {
  std::vector<EtcdMember::Plan> plans(size);
  std::string all;
  for (size_t i = 0; i < size; ++i) {
    plans[i] = {"m" + std::to_string(i), FreePort(), FreePort(), "", flags};
    all += (i == 0 ? "" : ",") + plans[i].name + "=" + Url(plans[i].peer_port);
  }
  for (EtcdMember::Plan& plan : plans) {
    plan.initial_cluster = all;
    members_.push_back(std::make_unique<EtcdMember>(plan));
    members_.back()->Launch();
  }
  for (const auto& member : members_) {
    if (!member->WaitUntilServing()) {
      throw std::runtime_error("etcd does not serve");
    }
  }
}

std::vector<std::string> EtcdCluster::addresses() const {
  std::vector<std::string> result;
  for (const auto& member : members_) {
    result.push_back(member->address());
  }
  return result;
}

size_t EtcdCluster::Leader() const {
  for (size_t i = 0; i < members_.size(); ++i) {
    const auto stub = etcdserverpb::Maintenance::NewStub(Connect(members_[i]->address()));
    grpc::ClientContext context;
    SetTimeout(context, 1'000);
    etcdserverpb::StatusResponse response;
    if (stub->Status(&context, {}, &response).ok() &&
        response.leader() == response.header().member_id()) {
      return i;
    }
  }
  return members_.size();
}

}  // namespace matricula::test
