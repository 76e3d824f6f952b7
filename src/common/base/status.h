#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "common/base/ensure.h"

namespace matricula::base {

// Numbered like gRPC's status codes, so that a service translates by a cast. The one addition,
// kOutcomeUnknown, must never be retried blindly: the change may or may not have taken effect.
enum class Code {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kOutcomeUnknown = 100,
};

// The code's name in gRPC's spelling, for example "UNAVAILABLE".
std::string_view CodeName(Code code);

// How something went: ok, or a code with a message for whoever must act on it.
class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // "CODE: message", for logs.
  std::string ToString() const;

  friend bool operator==(const Status&, const Status&) = default;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

inline Status OkStatus() { return {}; }

std::ostream& operator<<(std::ostream& out, const Status& status);

// A value, or the status that says why there is none. Reading a value that is absent is a bug.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}        // NOLINT(google-explicit-constructor)
  Result(Status status) : state_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    ENSURE(!std::get<Status>(state_).ok(), "an ok result needs a value");
  }

  bool ok() const { return std::holds_alternative<T>(state_); }
  Status status() const { return ok() ? Status() : std::get<Status>(state_); }

  const T& value() const& {
    ENSURE(ok(), "value() of a failed result");
    return std::get<T>(state_);
  }
  T& value() & {
    ENSURE(ok(), "value() of a failed result");
    return std::get<T>(state_);
  }
  T&& value() && {
    ENSURE(ok(), "value() of a failed result");
    return std::get<T>(std::move(state_));
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace matricula::base

// Leaves the function with the status if it is not ok.
#define RETURN_IF_ERROR(expression)                                \
  do {                                                             \
    if (auto status_ = (expression); !status_.ok()) [[unlikely]] { \
      return status_;                                              \
    }                                                              \
  } while (false)
