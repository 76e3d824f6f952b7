#include "test/integration/chaos/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "common/rpc/channel.h"

namespace matricula::chaos {
namespace {

constexpr char kDiary[] = "chaos/diary/";
constexpr char kDiaryEnd[] = "chaos/diary0";
constexpr int64_t kPageSize = 5'000;
constexpr int64_t kCallTimeoutMs = 10'000;
constexpr int kTries = 5;
constexpr size_t kMostFindings = 10;

// All of it, at one revision.
grpc::Status ReadDiaries(const Stubs& member, std::map<std::string, std::string>& found) {
  etcdserverpb::RangeRequest request;
  request.set_key(kDiary);
  request.set_range_end(kDiaryEnd);
  request.set_limit(kPageSize);
  while (true) {
    grpc::ClientContext context;
    rpc::SetDeadline(context, kCallTimeoutMs);
    etcdserverpb::RangeResponse response;
    const grpc::Status status = member.kv->Range(&context, request, &response);
    if (!status.ok()) return status;
    for (const mvccpb::KeyValue& pair : response.kvs()) found[pair.key()] = pair.value();
    if (!response.more()) return status;
    request.set_key(response.kvs().rbegin()->key() + '\0');
    if (request.revision() == 0) request.set_revision(response.header().revision());
  }
}

}  // namespace

Journal::Journal(const std::string& path)
    : path_(path), file_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {}

Journal::~Journal() { close(file_); }

void Journal::Append(const std::string& key, const std::string& value) {
  const std::string line = key + ' ' + value + '\n';
  const base::MutexLock lock(mutex_);
  if (write(file_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error("cannot write " + path_);
  }
}

std::map<std::string, std::string> Journal::Pages() const {
  std::map<std::string, std::string> pages;
  std::ifstream file(path_);
  std::string key;
  std::string value;
  while (file >> key >> value) pages[key] = value;
  return pages;
}

std::vector<std::string> Journal::Compare(const Stubs& member) {
  std::map<std::string, std::string> found;
  grpc::Status status = ReadDiaries(member, found);
  for (int i = 1; !status.ok() && i < kTries; ++i) status = ReadDiaries(member, found);
  if (!status.ok()) return {"the diaries cannot be read: " + status.error_message()};
  std::vector<std::string> findings;
  for (const auto& [key, value] : Pages()) {
    const auto page = found.find(key);
    if (page != found.end() && page->second == value) continue;
    findings.push_back(fmt::format("acknowledged, and {} in the store: {} = {}",
                                   page == found.end() ? "not" : "something else", key, value));
    if (findings.size() == kMostFindings) break;
  }
  return findings;
}

}  // namespace matricula::chaos
