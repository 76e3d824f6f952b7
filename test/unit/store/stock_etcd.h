#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "etcd_rpc.grpc.pb.h"
#include "test/unit/storage/temporary_directory.h"

namespace matricula::test {

// A stock etcd server of its own, on free ports and in a directory that goes with it.
class StockEtcd {
 public:
  StockEtcd();
  ~StockEtcd();
  StockEtcd(const StockEtcd&) = delete;
  StockEtcd& operator=(const StockEtcd&) = delete;

  // Whether it came up and answers.
  bool running() const { return running_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  void Start(int client_port, int peer_port);
  bool WaitUntilReady();

  TemporaryDirectory directory_;
  pid_t process_ = -1;
  std::shared_ptr<grpc::Channel> channel_;
  bool running_ = false;
};

}  // namespace matricula::test
