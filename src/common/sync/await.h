#pragma once

#include <future>
#include <memory>
#include <utility>

#include "common/base/done.h"

namespace matricula::sync {

// Calls `start` with a Done and blocks until it is called. For threads of our own that have nothing
// else to do; never on a thread of the store, of a server or of the bus.
template <class T, class Start>
base::Result<T> Await(Start&& start) {
  // Shared, because the caller may be gone before the other thread leaves set_value.
  auto promise = std::make_shared<std::promise<base::Result<T>>>();
  std::future<base::Result<T>> future = promise->get_future();
  std::forward<Start>(start)(
      base::Done<T>([promise](base::Result<T> result) { promise->set_value(std::move(result)); }));
  return future.get();
}

}  // namespace matricula::sync
