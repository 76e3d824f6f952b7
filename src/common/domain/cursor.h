#pragma once

#include <vector>

#include "common/base/done.h"

namespace matricula::domain {

// A long answer, pulled page by page; all pages show the store at one revision.
template <class T>
class Cursor {
 public:
  virtual ~Cursor() = default;

  // The next page, never more than kMaxPageItems; an empty one is the end. One call at a time.
  // Aborted: the revision has been compacted meanwhile, begin again. After an error nothing
  // follows. The cursor may be destroyed while a call is under way; `done` is still called.
  virtual void NextPage(base::Done<std::vector<T>> done) = 0;
};

inline constexpr int kMaxPageItems = 500;

}  // namespace matricula::domain
