#pragma once

#include <cstdio>
#include <string>

#include "common/base/sha256.h"

namespace matricula::ctl {

// A file that appears under its name only when it is complete and on disk; until then it is
// NAME.part, which goes away if nothing comes of it.
class Download {
 public:
  explicit Download(std::string path);
  ~Download();
  Download(const Download&) = delete;
  Download& operator=(const Download&) = delete;

  // Each gives false where the disk fails; errno says why.
  bool Open();
  bool Write(const std::string& bytes);
  // Gives the file its name, if the last 32 bytes are the SHA-256 of all before.
  bool Finish();

  // Whether those bytes are that.
  bool IsSound() const { return tail_ == digest_; }
  // To be called after the last Write and before IsSound.
  void CloseDigest() { digest_ = sha_.Finish(); }

 private:
  const std::string path_;
  const std::string part_;
  std::FILE* file_ = nullptr;
  base::Sha256 sha_;
  std::string tail_;    // the last bytes, which may be the digest
  std::string digest_;  // of everything before them
};

}  // namespace matricula::ctl
