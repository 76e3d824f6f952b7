#include "common/storage/rocksdb_files.h"

#include <fcntl.h>
#include <rocksdb/file_system.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string_view>

namespace matricula::storage {
namespace {

class Files final : public rocksdb::FileSystemWrapper {
 public:
  Files() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

  const char* Name() const override { return "matricula.files"; }

  rocksdb::FileOptions OptimizeForLogWrite(const rocksdb::FileOptions& options,
                                           const rocksdb::DBOptions& db_options) const override {
    auto adapted = FileSystemWrapper::OptimizeForLogWrite(options, db_options);
    adapted.fallocate_with_keep_size = false;
    return adapted;
  }

  // A checkpoint copies as much of the log as this says.
  rocksdb::IOStatus GetFileSize(const std::string& path, const rocksdb::IOOptions& options,
                                uint64_t* size, rocksdb::IODebugContext* context) override {
    auto status = FileSystemWrapper::GetFileSize(path, options, size, context);
    if (status.ok() && path.ends_with(".log")) *size = std::min(*size, WrittenBytes(path));
    return status;
  }
};

}  // namespace

rocksdb::Env* FilesOfRocksDb() {
  static rocksdb::Env* const files = rocksdb::NewCompositeEnv(std::make_shared<Files>()).release();
  return files;
}

uint64_t WrittenBytes(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  off_t bytes = lseek(file, 0, SEEK_HOLE);
  if (bytes < 0) bytes = std::max<off_t>(lseek(file, 0, SEEK_END), 0);
  close(file);
  return static_cast<uint64_t>(bytes);
}

}  // namespace matricula::storage
