#include "common/raft/progress.h"

#include <algorithm>

namespace matricula::raft {

void Inflight::Add(Index last, size_t bytes) {
  messages_.emplace_back(last, bytes);
  bytes_ += bytes;
}

void Inflight::FreeUpTo(Index match) {
  while (!messages_.empty() && messages_.front().first <= match) {
    bytes_ -= messages_.front().second;
    messages_.pop_front();
  }
}

void Inflight::Clear() {
  messages_.clear();
  bytes_ = 0;
}

bool Progress::CanSend() const {
  switch (state_) {
    case State::kProbe:
      return !waiting_;
    case State::kReplicate:
      return nudge_ || !inflight_.Full();
    case State::kSnapshot:
      return false;
  }
  return false;
}

size_t Progress::Room() const {
  if (state_ == State::kProbe) return SIZE_MAX;
  return inflight_.Full() ? 0 : inflight_.FreeBytes();
}

bool Progress::MustSend(Index commit) const {
  return nudge_ || (state_ == State::kReplicate && std::min(commit, next_ - 1) > sent_commit_);
}

void Progress::OnSent(Index last, size_t bytes, Index commit) {
  nudge_ = false;
  sent_commit_ = std::max(sent_commit_, std::min(commit, last));
  if (state_ == State::kProbe) {
    waiting_ = true;
  } else if (last >= next_) {
    inflight_.Add(last, bytes);
    next_ = last + 1;
  }
}

bool Progress::OnTaken(Index match) {
  const bool news = match > match_;
  match_ = std::max(match_, match);
  next_ = std::max(next_, match_ + 1);
  inflight_.FreeUpTo(match);
  return news;
}

bool Progress::OnRefused(Index rejected, Index hint) {
  if (state_ == State::kSnapshot || rejected <= match_) return false;
  if (state_ == State::kReplicate) {
    BecomeProbe();  // something on the way was lost
  } else if (rejected != next_ - 1) {
    return false;
  }
  next_ = std::max(match_ + 1, std::min(rejected, hint + 1));
  waiting_ = false;
  nudge_ = true;
  return true;
}

void Progress::OnHeartbeatReply(Index last) {
  waiting_ = false;
  // Nothing was acknowledged since the last answered heartbeat: ask where the log ends. If what
  // was sent is only late, the answer is an ordinary acknowledgement.
  const bool stuck = match_ < last && match_ == match_last_heartbeat_;
  if (state_ == State::kProbe || stuck) nudge_ = true;
  match_last_heartbeat_ = match_;
}

void Progress::OnUnreachable() {
  if (state_ == State::kReplicate) BecomeProbe();
  Pause();
  if (sender) sender->GoBack();
}

void Progress::BecomeProbe() {
  state_ = State::kProbe;
  next_ = match_ + 1;
  waiting_ = false;
  nudge_ = true;
  sent_commit_ = Index(0);
  inflight_.Clear();
  sender.reset();
}

void Progress::BecomeSnapshot(const Ticket& transfer, Index floor) {
  state_ = State::kSnapshot;
  transfer_ = transfer;
  snapshot_floor_ = floor;
  inflight_.Clear();
}

void Progress::BecomeReplicate() {
  state_ = State::kReplicate;
  next_ = match_ + 1;
  waiting_ = false;
  inflight_.Clear();
  sender.reset();
}

}  // namespace matricula::raft
