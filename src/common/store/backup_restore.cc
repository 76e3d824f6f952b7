#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/base/crc32c.h"
#include "common/kv/rows.h"
#include "common/storage/rocksdb_engine.h"
#include "common/store/backup.h"
#include "common/store/backup_format.h"

namespace matricula::store {
namespace {

using base::Code;
using base::Status;

constexpr size_t kReadBytes = 1 << 20;
constexpr char kLogTable = 'r';  // replication/log_format.h

Status DiskError(const std::string& what) {
  return {Code::kInternal, what + ": " + std::strerror(errno)};
}

Status Damaged(const std::string& why) { return {Code::kDataLoss, "not a sound backup: " + why}; }

bool IsNewer(std::string_view magic) {
  return magic.starts_with(kBackupKind) && magic.ends_with('\n') &&
         magic[kBackupKind.size()] > kBackupMagic[kBackupKind.size()] &&
         magic[kBackupKind.size()] <= '9';
}

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using FilePtr = std::unique_ptr<std::FILE, FileCloser>;

// Reads a backup whose digest has been found right; what is wrong all the same is damage too.
// Without a `directory` it writes nothing.
class Unpacker {
 public:
  Unpacker(FilePtr file, uint64_t size, std::string directory)
      : file_(std::move(file)), left_(size), directory_(std::move(directory)) {}

  Status Run() {
    std::string magic;
    RETURN_IF_ERROR(Read(kBackupMagic.size(), magic));
    if (magic != kBackupMagic) {
      return IsNewer(magic) ? Status(Code::kUnimplemented, "a newer version made it")
                            : Damaged("it begins with something else");
    }
    while (true) {
      std::string kind;
      RETURN_IF_ERROR(Read(1, kind));
      if (kind[0] == kBackupEnd) {
        return CheckPadding();
      }
      if (kind[0] != kBackupPart) {
        return Damaged("a part of unknown kind");
      }
      RETURN_IF_ERROR(UnpackPart());
    }
  }

 private:
  Status Read(size_t bytes, std::string& out) {
    if (bytes > left_) {
      return Damaged("it ends too early");
    }
    out.resize(bytes);
    if (std::fread(out.data(), 1, bytes, file_.get()) != bytes) {
      return DiskError("reading the backup");
    }
    left_ -= bytes;
    crc_ = base::Crc32c(crc_, out);
    return {};
  }

  Status CheckPadding() {
    std::string padding;
    RETURN_IF_ERROR(Read(std::min<uint64_t>(left_, kBackupBlockBytes), padding));
    const bool is_right =
        padding.size() < kBackupBlockBytes && padding.find_first_not_of('\0') == std::string::npos;
    return is_right ? Status() : Damaged("something follows its end");
  }

  Status UnpackPart() {
    crc_ = base::Crc32c(0, std::string_view(&kBackupPart, 1));
    std::string numbers, name;
    RETURN_IF_ERROR(Read(kPartHeaderBytes - 1, numbers));
    const size_t name_length = static_cast<size_t>(static_cast<unsigned char>(numbers[0])) << 8 |
                               static_cast<unsigned char>(numbers[1]);
    const uint64_t size = kv::ReadBigEndian64(std::string_view(numbers).substr(2));
    if (name_length == 0 || name_length > kMaxPartNameBytes) {
      return Damaged("a part without a proper name");
    }
    RETURN_IF_ERROR(Read(name_length, name));
    if (name == "." || name == ".." ||
        name.find_first_of(std::string_view("/\0", 2)) != name.npos) {
      return Damaged("a part whose name is no file name");
    }
    return UnpackContent(name, size);
  }

  Status UnpackContent(const std::string& name, uint64_t size) {
    const std::string path = directory_ + "/" + name;
    const FilePtr out(directory_.empty() ? nullptr : std::fopen(path.c_str(), "wbxe"));
    if (!out && !directory_.empty()) {
      return DiskError(path);
    }
    std::string content;
    for (uint64_t left = size; left > 0; left -= content.size()) {
      RETURN_IF_ERROR(Read(std::min<uint64_t>(left, kReadBytes), content));
      if (out && std::fwrite(content.data(), 1, content.size(), out.get()) != content.size()) {
        return DiskError(path);
      }
    }
    if (out && (std::fflush(out.get()) != 0 || fsync(fileno(out.get())) != 0)) {
      return DiskError(path);
    }
    const uint32_t crc = crc_;
    std::string expected;
    RETURN_IF_ERROR(Read(kPartTrailerBytes, expected));
    return crc == kv::ReadBigEndian32(expected) ? Status()
                                                : Damaged(name + " in it is not as it was");
  }

  FilePtr file_;
  uint64_t left_;
  const std::string directory_;
  uint32_t crc_ = 0;
};

// Reads the file to its end; leaves it at its beginning and gives the size before the digest.
Status CheckDigest(std::FILE* file, uint64_t size, uint64_t& content_bytes) {
  if (size < base::Sha256::kBytes + kBackupBlockBytes ||
      size % kBackupBlockBytes != base::Sha256::kBytes) {
    return Damaged("its size cannot be");
  }
  content_bytes = size - base::Sha256::kBytes;
  base::Sha256 digest;
  std::string block;
  for (uint64_t left = content_bytes; left > 0; left -= block.size()) {
    block.resize(std::min<uint64_t>(left, kReadBytes));
    if (std::fread(block.data(), 1, block.size(), file) != block.size()) {
      return DiskError("reading the backup");
    }
    digest.Add(block);
  }
  block.resize(base::Sha256::kBytes);
  if (std::fread(block.data(), 1, block.size(), file) != block.size()) {
    return DiskError("reading the backup");
  }
  std::rewind(file);
  return block == digest.Finish() ? Status() : Damaged("its digest is wrong");
}

// A cluster of its own: nobody may take it for the one that the backup was made of.
Status ForgetIdentity(const std::string& directory) {
  auto engine = storage::OpenRocksDbEngine(directory);
  if (!engine.ok()) {
    return engine.status();
  }
  const auto batch = (*engine)->NewBatch();
  batch->Delete(kv::kIdentityRow);
  batch->Delete(kv::kAlarmsRow);
  // The log and the members of the cluster that it was a part of, if it was.
  batch->Delete(kv::kNoteRow);
  batch->Delete(kv::kMembersRow);
  storage::ReadOptions log;
  log.lower = std::string(1, kLogTable);
  log.upper = std::string(1, kLogTable + 1);
  const auto rows = (*engine)->NewIterator(log);
  for (rows->Seek(log.lower); rows->Valid(); rows->Next()) batch->Delete(rows->key());
  RETURN_IF_ERROR(rows->status());
  return (*engine)->Write(*batch, storage::Durability::kSynced);
}

Status SyncFolder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = folder >= 0 && fsync(folder) == 0;
  Status status = synced ? Status() : DiskError(path);
  if (folder >= 0) {
    close(folder);
  }
  return status;
}

Status Restore(FilePtr file, uint64_t content_bytes, const std::string& temporary,
               const std::string& directory) {
  RETURN_IF_ERROR(Unpacker(std::move(file), content_bytes, temporary).Run());
  RETURN_IF_ERROR(ForgetIdentity(temporary));
  RETURN_IF_ERROR(SyncFolder(temporary));
  std::error_code error;
  std::filesystem::rename(temporary, directory, error);
  if (error) {
    return {Code::kInternal, directory + ": " + error.message()};
  }
  return SyncFolder(std::filesystem::path(directory).parent_path().string());
}

// Opens a file whose digest is right.
Status OpenSound(const std::string& file, FilePtr& input, uint64_t& content_bytes) {
  std::error_code error;
  input.reset(std::fopen(file.c_str(), "rbe"));
  if (!input) {
    return DiskError(file);
  }
  const uint64_t size = std::filesystem::file_size(file, error);
  return error ? Status(Code::kInternal, file + ": " + error.message())
               : CheckDigest(input.get(), size, content_bytes);
}

}  // namespace

Status VerifyBackup(const std::string& file) {
  FilePtr input;
  uint64_t content_bytes = 0;
  RETURN_IF_ERROR(OpenSound(file, input, content_bytes));
  return Unpacker(std::move(input), content_bytes, "").Run();
}

Status RestoreBackup(const std::string& file, const std::string& target) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::string directory = fs::absolute(target).lexically_normal().string();
  while (directory.size() > 1 && directory.back() == '/') {
    directory.pop_back();
  }
  if (fs::exists(directory, error) && !fs::is_empty(directory, error)) {
    return {Code::kFailedPrecondition, directory + " is not empty"};
  }
  FilePtr input;
  uint64_t content_bytes = 0;
  RETURN_IF_ERROR(OpenSound(file, input, content_bytes));
  const std::string temporary = directory + ".restoring";
  fs::remove_all(temporary, error);
  if (!fs::create_directories(temporary, error) || error) {
    return {Code::kInternal, temporary + ": " + error.message()};
  }
  Status status = Restore(std::move(input), content_bytes, temporary, directory);
  fs::remove_all(temporary, error);
  return status;
}

}  // namespace matricula::store
