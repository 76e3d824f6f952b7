#pragma once

namespace matricula::base {

// Prints where and what, then aborts. A bug of ours must stop the process before it spreads.
[[noreturn]] void EnsureFailed(const char* file, int line, const char* condition,
                               const char* meaning);

}  // namespace matricula::base

// Checks what only a bug of ours can make false; stays on in release builds. `meaning` says in
// words what has been broken. Faults of the world are a base::Status instead.
#define ENSURE(condition, meaning)                                              \
  do {                                                                          \
    if (!(condition)) [[unlikely]] {                                            \
      ::matricula::base::EnsureFailed(__FILE__, __LINE__, #condition, meaning); \
    }                                                                           \
  } while (false)
