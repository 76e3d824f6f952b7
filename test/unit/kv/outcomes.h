#pragma once

#include <string>

#include "common/kv/outcome.h"

namespace matricula::kv::test {

// For comparing and for failure messages.
inline std::string Describe(const Outcome& outcome) {
  if (!outcome.status.ok()) return outcome.status.ToString();
  return std::visit(
      [](const auto& response) {
        if constexpr (std::is_same_v<std::decay_t<decltype(response)>, std::monostate>) {
          return std::string("nothing");
        } else {
          return response.GetTypeName() + " " + response.ShortDebugString();
        }
      },
      outcome.response);
}

}  // namespace matricula::kv::test
