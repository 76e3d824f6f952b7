#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/sha256.h"
#include "common/base/status.h"

// A backup is one file: a consistent copy of a store's folder (ReplicaStore::Checkpoint), packed.
//
//   backup   = magic part* end padding digest
//   magic    = "matricula backup 1\n"
//   part     = 0x01 name-length:2 size:8 name content crc:4
//   end      = 0x00
//   padding  = zeros, so that everything before the digest is a multiple of 512 bytes
//   digest   = SHA-256 of everything before it, 32 bytes
//
// Numbers are big-endian; `crc` is the CRC-32C of the part from 0x01 to the end of its content. The
// padding and the digest are those of etcd's snapshots, which is what makes `etcdctl snapshot save`
// accept the file; what is inside is ours, and only RestoreBackup reads it.
namespace matricula::store {

// Packs a folder, piece by piece. The folder must not change meanwhile; folders in it are not
// packed. Not for several threads at once.
class BackupPacker {
 public:
  static base::Result<std::unique_ptr<BackupPacker>> Open(const std::string& directory);
  ~BackupPacker();

  // Bytes before the digest.
  uint64_t size() const { return size_; }
  // The next piece: `bytes`, or fewer at the end; empty when only the digest is left. An error is
  // one of the disk.
  base::Result<std::string> Next(size_t bytes);
  // Of all pieces. Once, after the last one.
  std::string Digest();

 private:
  struct File {
    std::string name;
    uint64_t size = 0;
  };

  BackupPacker(std::string directory, std::vector<File> files);
  base::Status Refill(size_t bytes);
  base::Status BeginFile();
  base::Status ReadFile(size_t bytes);
  void Emit(std::string_view bytes);

  const std::string directory_;
  const std::vector<File> files_;
  uint64_t size_ = 0;
  uint64_t given_ = 0;
  size_t next_file_ = 0;
  std::FILE* file_ = nullptr;
  uint64_t left_in_file_ = 0;
  uint32_t crc_ = 0;
  bool ended_ = false;
  std::string ready_;  // packed, not given yet
  base::Sha256 digest_;
};

// Reads all of `file`, changes nothing. DataLoss: it is damaged or no backup. Unimplemented: it is
// sound, but of a newer version. Internal: the disk.
base::Status VerifyBackup(const std::string& file);

// Unpacks the backup in `file` into `directory`, which must not exist or be empty, and makes it the
// data of a new cluster: the store's content and history stay, its identity does not. DataLoss,
// Unimplemented: as above; then the folder is as it was.
base::Status RestoreBackup(const std::string& file, const std::string& directory);

}  // namespace matricula::store
