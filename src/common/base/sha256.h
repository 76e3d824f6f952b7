#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace matricula::base {

// The SHA-256 (FIPS 180-4) of everything that was added.
class Sha256 {
 public:
  static constexpr size_t kBytes = 32;

  Sha256();
  ~Sha256();

  void Add(std::string_view bytes);
  // The digest, kBytes long. Once.
  std::string Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace matricula::base
