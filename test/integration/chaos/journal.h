#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "test/integration/chaos/members.h"

namespace matricula::chaos {

// What has been acknowledged, in a file that only grows and that the store knows nothing of: a line
// for each page of the clients' diaries, `key value`, written when the store says that it has it.
class Journal {
 public:
  explicit Journal(const std::string& path);
  ~Journal();

  void Append(const std::string& key, const std::string& value) EXCLUDES(mutex_);
  // Reads the file again, and the diaries from the store. What is wrong; empty: nothing is missing.
  std::vector<std::string> Compare(const Stubs& member);

 private:
  std::map<std::string, std::string> Pages() const;

  const std::string path_;
  base::Mutex mutex_;
  const int file_;
};

}  // namespace matricula::chaos
