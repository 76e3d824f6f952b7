#pragma once

#include <absl/functional/any_invocable.h>

#include "common/base/status.h"

namespace matricula::base {

// Who is told how an asynchronous operation ended: called exactly once, on any thread, possibly
// before the operation's starter returns. It must not block.
template <class T>
using Done = absl::AnyInvocable<void(Result<T>) &&>;

}  // namespace matricula::base
