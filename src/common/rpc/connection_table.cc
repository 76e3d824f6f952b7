#include "common/rpc/connection_table.h"

#include <sys/stat.h>

#include <optional>
#include <vector>

namespace matricula::rpc {
namespace {

std::optional<uint64_t> SocketInode(int descriptor) {
  struct stat info {};
  if (::fstat(descriptor, &info) != 0 || !S_ISSOCK(info.st_mode)) return std::nullopt;
  return info.st_ino;
}

}  // namespace

bool ConnectionTable::Admit(int descriptor, std::string_view address, int64_t now_ms) {
  Forget(descriptor);  // the number was given out anew, so its last connection is closed
  if (Full(address) && now_ms - last_sweep_ms_ >= kSweepIntervalMs) {
    last_sweep_ms_ = now_ms;
    Sweep();
  }
  if (Full(address)) return false;
  const std::optional<uint64_t> inode = SocketInode(descriptor);
  if (!inode.has_value()) return false;
  connections_.emplace(descriptor, Connection{*inode, std::string(address)});
  ++per_address_[std::string(address)];
  return true;
}

bool ConnectionTable::Full(std::string_view address) const {
  if (connections_.size() >= max_connections_) return true;
  const auto found = per_address_.find(std::string(address));
  return found != per_address_.end() && found->second >= max_per_address_;
}

void ConnectionTable::Forget(int descriptor) {
  const auto connection = connections_.find(descriptor);
  if (connection == connections_.end()) return;
  const auto count = per_address_.find(connection->second.address);
  if (--count->second == 0) per_address_.erase(count);
  connections_.erase(connection);
}

void ConnectionTable::Sweep() {
  std::vector<int> closed;
  for (const auto& [descriptor, connection] : connections_) {
    if (SocketInode(descriptor) != connection.inode) closed.push_back(descriptor);
  }
  for (const int descriptor : closed) Forget(descriptor);
}

}  // namespace matricula::rpc
