#include "common/store/backup.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "common/base/crc32c.h"
#include "common/kv/coding.h"
#include "common/store/backup_format.h"

namespace matricula::store {

namespace {

using base::Code;
using base::Result;
using base::Status;

Status DiskError(const std::string& what) {
  return {Code::kInternal, what + ": " + std::strerror(errno)};
}

}  // namespace

Result<std::unique_ptr<BackupPacker>> BackupPacker::Open(const std::string& directory) {
  std::vector<File> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.is_regular_file(error)) {
      files.push_back({entry.path().filename().string(), entry.file_size(error)});
    }
    if (error) {
      break;
    }
  }
  if (error) {
    return Status(Code::kInternal, directory + ": " + error.message());
  }
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.name < b.name; });
  return std::unique_ptr<BackupPacker>(new BackupPacker(directory, std::move(files)));
}

BackupPacker::BackupPacker(std::string directory, std::vector<File> files)
    : directory_(std::move(directory)), files_(std::move(files)) {
  uint64_t bytes = kBackupMagic.size() + 1;
  for (const File& file : files_) {
    bytes += kPartHeaderBytes + file.name.size() + file.size + kPartTrailerBytes;
  }
  size_ = (bytes + kBackupBlockBytes - 1) / kBackupBlockBytes * kBackupBlockBytes;
  ready_ = kBackupMagic;
}

BackupPacker::~BackupPacker() {
  if (file_ != nullptr) {
    std::fclose(file_);
  }
}

Result<std::string> BackupPacker::Next(size_t bytes) {
  while (ready_.size() < bytes && given_ + ready_.size() < size_) {
    RETURN_IF_ERROR(Refill(bytes - ready_.size()));
  }
  std::string piece = ready_.substr(0, bytes);
  ready_.erase(0, piece.size());
  given_ += piece.size();
  digest_.Add(piece);
  return piece;
}

std::string BackupPacker::Digest() {
  ENSURE(given_ == size_, "the digest comes after all pieces");
  return digest_.Finish();
}

// Packs about `bytes` more.
Status BackupPacker::Refill(size_t bytes) {
  if (file_ != nullptr) {
    return ReadFile(bytes);
  }
  if (next_file_ < files_.size()) {
    return BeginFile();
  }
  if (!ended_) {
    ended_ = true;
    ready_ += kBackupEnd;
  }
  ready_.append(std::min<uint64_t>(bytes, size_ - given_ - ready_.size()), '\0');
  return {};
}

Status BackupPacker::BeginFile() {
  const File& file = files_[next_file_++];
  const std::string path = directory_ + "/" + file.name;
  file_ = std::fopen(path.c_str(), "rbe");
  if (file_ == nullptr) {
    return DiskError(path);
  }
  left_in_file_ = file.size;
  crc_ = 0;
  Emit(PartHeader(file.name, file.size));
  return {};
}

Status BackupPacker::ReadFile(size_t bytes) {
  std::string content(std::min<uint64_t>(bytes, left_in_file_), '\0');
  if (std::fread(content.data(), 1, content.size(), file_) != content.size()) {
    return DiskError(directory_ + ": a file became shorter");
  }
  left_in_file_ -= content.size();
  Emit(content);
  if (left_in_file_ == 0) {
    kv::AppendBigEndian32(ready_, crc_);
    std::fclose(std::exchange(file_, nullptr));
  }
  return {};
}

void BackupPacker::Emit(std::string_view bytes) {
  crc_ = base::Crc32c(crc_, bytes);
  ready_ += bytes;
}

}  // namespace matricula::store
