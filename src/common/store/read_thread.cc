#include "common/store/read_thread.h"

#include <utility>

#include "common/kv/errors.h"

namespace matricula::store {

using base::MutexLock;

ReadThread::ReadThread() : thread_([this] { Work(); }) {}

ReadThread::~ReadThread() {
  std::deque<Read> refused;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    refused.swap(waiting_);
    work_.NotifyOne();
  }
  thread_.join();
  for (Read& read : refused) std::move(read)(kv::errors::Stopped());
}

void ReadThread::Run(Read read) {
  base::Status refusal = kv::errors::Stopped();
  {
    const MutexLock lock(mutex_);
    if (!stopping_ && waiting_.size() < kMaxWaiting) {
      waiting_.push_back(std::move(read));
      work_.NotifyOne();
      return;
    }
    if (!stopping_) refusal = kv::errors::TooManyRequests();
  }
  std::move(read)(std::move(refusal));
}

void ReadThread::Work() {
  while (true) {
    Read read;
    {
      const MutexLock lock(mutex_);
      while (waiting_.empty() && !stopping_) work_.Wait(mutex_);
      if (stopping_) return;
      read = std::move(waiting_.front());
      waiting_.pop_front();
    }
    std::move(read)(base::Status());
  }
}

}  // namespace matricula::store
