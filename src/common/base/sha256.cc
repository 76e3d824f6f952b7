#include "common/base/sha256.h"

#include <openssl/evp.h>

#include "common/base/ensure.h"

namespace matricula::base {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  ENSURE(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1, "SHA-256 is there");
}

Sha256::~Sha256() = default;

void Sha256::Add(std::string_view bytes) {
  ENSURE(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "SHA-256 goes on");
}

std::string Sha256::Finish() {
  std::string digest(kBytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(digest.data());
  ENSURE(EVP_DigestFinal_ex(state_->context, out, nullptr) == 1, "SHA-256 ends");
  return digest;
}

}  // namespace matricula::base
