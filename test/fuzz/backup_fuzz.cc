// deps: matricula_store
// Any bytes as a backup, as they are and with a digest that goes with them, so that the parts are
// looked at too: each is found sound or damaged, never anything worse.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "common/base/ensure.h"
#include "common/base/sha256.h"
#include "common/store/backup.h"
#include "common/store/backup_format.h"

namespace {

void Check(const std::string& bytes) {
  const int descriptor = memfd_create("backup", MFD_CLOEXEC);
  ENSURE(descriptor >= 0, "there is memory for a file");
  ENSURE(write(descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
         "a file in memory takes what is written");
  const auto status = matricula::store::VerifyBackup("/proc/self/fd/" + std::to_string(descriptor));
  close(descriptor);
  using matricula::base::Code;
  ENSURE(status.ok() || status.code() == Code::kDataLoss || status.code() == Code::kUnimplemented,
         "sound, damaged or newer");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using matricula::store::kBackupBlockBytes;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  Check(bytes);
  bytes.insert(0, matricula::store::kBackupMagic);
  bytes.resize((bytes.size() + kBackupBlockBytes - 1) / kBackupBlockBytes * kBackupBlockBytes);
  matricula::base::Sha256 digest;
  digest.Add(bytes);
  Check(bytes + digest.Finish());
  return 0;
}
