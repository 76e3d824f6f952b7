#pragma once

#include <cstdint>

// What a thread that changes pass through has spent on them, for the log of slow requests. All of
// the calling thread; whoever works notes it where the work is done, and no interface in between
// has to know.
namespace matricula::base::work_times {

// What the thread has spent so far, and when that was, on the system's monotonic scale.
struct Sums {
  int64_t at_ns = 0;
  int64_t synced_ns = 0;   // waiting for the disk
  int64_t applied_ns = 0;  // applying what was agreed on, without that
};

void AddSynced(int64_t duration_ns);
// The thread has taken all that was waiting for it.
void NoteTaken();

// Lives as long as applying takes.
class Applying {
 public:
  Applying();
  ~Applying();
  Applying(const Applying&) = delete;
  Applying& operator=(const Applying&) = delete;

 private:
  const Sums start_;
};

Sums Now();
// When what came at `since_ns` was taken. What was taken very long ago is not known any more: then
// the oldest that is.
Sums WhenTaken(int64_t since_ns);

}  // namespace matricula::base::work_times
