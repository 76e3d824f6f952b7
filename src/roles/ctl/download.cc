#include "roles/ctl/download.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "common/base/ensure.h"

namespace matricula::ctl {
namespace {

bool SyncFolderOf(const std::string& path) {
  const auto folder = std::filesystem::absolute(path).parent_path();
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = fsync(descriptor) == 0;
  close(descriptor);
  return synced;
}

}  // namespace

Download::Download(std::string path) : path_(std::move(path)), part_(path_ + ".part") {}

Download::~Download() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  unlink(part_.c_str());
}

bool Download::Open() {
  // Whoever enrolled where is nobody else's business.
  const int descriptor = open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return false;
  file_ = fdopen(descriptor, "wb");
  return file_ != nullptr;
}

bool Download::Write(const std::string& bytes) {
  tail_ += bytes;
  if (tail_.size() > base::Sha256::kBytes) {
    const size_t before = tail_.size() - base::Sha256::kBytes;
    sha_.Add(std::string_view(tail_).substr(0, before));
    tail_.erase(0, before);
  }
  return std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size();
}

bool Download::Finish() {
  ENSURE(IsSound(), "only what is sound gets its name");
  if (std::fflush(file_) != 0 || fsync(fileno(file_)) != 0) return false;
  if (std::rename(part_.c_str(), path_.c_str()) != 0) return false;
  std::fclose(std::exchange(file_, nullptr));
  return SyncFolderOf(path_);
}

}  // namespace matricula::ctl
