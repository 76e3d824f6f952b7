#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace matricula::rpc {

// Counts the open connections of every client address, so that their number can be limited although
// gRPC closes them without telling anybody. A connection is known by its descriptor and the inode
// of its socket: once the descriptor is closed, or belongs to another socket, it is gone. Looking
// costs a system call per connection, so it is done only when a limit seems to be reached, and not
// more often than every kSweepInterval.
//
// One thread.
class ConnectionTable {
 public:
  static constexpr int64_t kSweepIntervalMs = 100;

  ConnectionTable(size_t max_connections, size_t max_per_address)
      : max_connections_(max_connections), max_per_address_(max_per_address) {}

  // Takes note of an accepted descriptor; false if it is over a limit (and not taken note of).
  // `address` is what connections are counted by.
  bool Admit(int descriptor, std::string_view address, int64_t now_ms);

  // Connections not yet seen closed.
  size_t size() const { return connections_.size(); }

 private:
  struct Connection {
    uint64_t inode;
    std::string address;
  };

  bool Full(std::string_view address) const;
  void Forget(int descriptor);
  void Sweep();

  const size_t max_connections_;
  const size_t max_per_address_;
  int64_t last_sweep_ms_ = INT64_MIN / 2;
  std::unordered_map<int, Connection> connections_;  // by descriptor
  std::unordered_map<std::string, size_t> per_address_;
};

}  // namespace matricula::rpc
