#pragma once

#include <atomic>
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "common/base/done.h"

// Coroutines for conversations with the store: an operation of several steps reads from top to
// bottom although no thread ever waits in it. A coroutine goes on wherever the step it waits for
// is answered: on a thread of the store or of the timer, or, if the answer was there at once,
// simply onwards, so that a loop over quick answers does not grow the stack.
//
// A co_await stands alone, as a statement or on the right of one `=`: g++ 12 destroys temporaries
// twice when it stands in a conditional expression, and so it reads better anyway.
namespace matricula::domain {

// Where the one who waits and the one who answers meet; whoever comes second goes on.
class Meeting {
 public:
  // True if the other one has been here.
  bool Arrive() { return other_came_.exchange(true, std::memory_order_acq_rel); }

 private:
  std::atomic<bool> other_came_{false};
};

// A piece of work that begins when it is awaited and answers a T. Errors are values: an exception
// that leaves a coroutine ends the process.
template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type;
  using Handle = std::coroutine_handle<promise_type>;

  struct Final {
    bool await_ready() noexcept { return false; }
    // Not inlined: once the other side goes on, the frame may be gone, and what a compiler moved
    // into the frame with it.
    [[gnu::noinline]] void await_suspend(Handle self) noexcept {
      promise_type& promise = self.promise();
      const auto waiting = promise.waiting;
      if (promise.meeting.Arrive()) waiting.resume();
    }
    void await_resume() noexcept {}
  };

  struct promise_type {
    std::optional<T> value;
    std::coroutine_handle<> waiting;
    Meeting meeting;

    Task get_return_object() { return Task(Handle::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    Final final_suspend() noexcept { return {}; }
    template <class U>
    void return_value(U&& result) {
      value.emplace(std::forward<U>(result));
    }
    void unhandled_exception() { std::terminate(); }
  };

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() { return false; }
  [[gnu::noinline]] bool await_suspend(std::coroutine_handle<> waiting) {
    promise_type& promise = handle_.promise();
    promise.waiting = waiting;
    handle_.resume();
    return !promise.meeting.Arrive();
  }
  T await_resume() { return std::move(*handle_.promise().value); }

 private:
  explicit Task(Handle handle) : handle_(handle) {}
  Handle handle_;
};

// A coroutine that nobody waits for; it begins at once and cleans up after itself.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

template <class T, class Start>
class CallAwaiter {
 public:
  explicit CallAwaiter(Start start) : start_(std::move(start)) {}

  bool await_ready() { return false; }
  [[gnu::noinline]] bool await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    start_(base::Done<T>([this](base::Result<T> result) {
      result_.emplace(std::move(result));
      const auto resumed = waiting_;
      if (meeting_.Arrive()) resumed.resume();
    }));
    return !meeting_.Arrive();
  }
  base::Result<T> await_resume() { return std::move(*result_); }

 private:
  Start start_;
  std::coroutine_handle<> waiting_;
  std::optional<base::Result<T>> result_;
  Meeting meeting_;
};

// Awaits an operation that answers through a base::Done<T>: `start` is given the Done.
template <class T, class Start>
CallAwaiter<T, Start> Call(Start start) {
  return CallAwaiter<T, Start>(std::move(start));
}

}  // namespace matricula::domain
