#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/status.h"
#include "common/kv/key_range.h"
#include "common/kv/rows.h"

namespace matricula::kv {

// Gets a key that exists and its version; says whether to go on. The views end with the call.
using Visitor = absl::FunctionRef<bool(std::string_view key, const Version& version)>;

// All keys that exist at one revision. A status that is not ok is trouble with the engine. Not
// for several threads at once.
class View {
 public:
  virtual ~View() = default;

  // The version's value lives until the next call; nullopt: no such key.
  virtual base::Result<std::optional<Version>> Find(std::string_view key) = 0;
  // In the order of keys. The visitor must not use the view.
  virtual base::Status Scan(const KeyRange& range, Visitor visitor) = 0;
};

}  // namespace matricula::kv
