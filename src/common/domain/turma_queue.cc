#include "common/domain/turma_queue.h"

#include <algorithm>
#include <deque>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/ensure.h"
#include "common/base/mutex.h"
#include "common/domain/commit.h"
#include "common/domain/keys.h"
#include "common/domain/optimistic.h"
#include "common/domain/rules.h"
#include "common/domain/turma_batch.h"

namespace matricula::domain {
namespace {

using base::Code;
using base::Status;
using etcdserverpb::TxnRequest;

// Longest that a request may wait for its batch to begin.
constexpr int64_t kMaxWaitMs = 5'000;
// Longest pause for somebody who cannot get in, as a power of two of milliseconds; and how long
// nobody must have needed one before it is short again.
constexpr int kMaxYieldShift = 6;
constexpr int64_t kYieldMemoryMs = 1'000;

}  // namespace

class TurmaQueue::Impl {
 public:
  Impl(Transactor& transactor, TurmaQueueLimits limits)
      : transactor_(transactor), limits_(limits) {}

  void Start(Enrollment kind, project::DisciplinaPessoa par, std::string request_id, Answer done);

  TurmaStats Stats() const {
    TurmaStats stats = meter_.Stats();
    base::MutexLock lock(mutex_);
    stats.waiting = waiting_;
    return stats;
  }

 private:
  // One class. Its queue belongs to the mutex; the rest to the one coroutine that drives it, if
  // `driven`, else to nobody.
  struct Queue {
    explicit Queue(std::string sigla_of_class) : sigla(std::move(sigla_of_class)) {}

    const std::string sigla;
    std::deque<TurmaRequest> waiting;
    bool driven = false;
    std::list<Queue*>::iterator idle;  // its place in idle_, if not driven
    std::optional<TurmaKnown> known;
    // How long to let somebody in who cannot get in by himself: up to 2^this ms.
    int yield_shift = 0;
    int64_t yielded_ms = 0;  // when it was done last
  };

  void Enqueue(const std::string& sigla, TurmaRequest request);
  Detached Drive(Queue& queue, Transactor::Presence presence);
  bool TakeBatch(Queue& queue, TurmaBatch& batch);
  Task<bool> Work(Queue& queue, TurmaBatch& batch);
  Task<bool> WriteAll(Queue& queue, TurmaBatch& batch);
  Task<bool> Look(TurmaBatch& batch);
  int64_t NextYieldMs(Queue& queue);
  Queue& FindOrAdd(const std::string& sigla) REQUIRES(mutex_);
  void Rest(Queue& queue) REQUIRES(mutex_);

  Transactor& transactor_;
  const TurmaQueueLimits limits_;
  TurmaMeter meter_;
  mutable base::Mutex mutex_;
  std::unordered_map<std::string, std::unique_ptr<Queue>> queues_ GUARDED_BY(mutex_);
  std::list<Queue*> idle_ GUARDED_BY(mutex_);  // the longest idle first
  int waiting_ GUARDED_BY(mutex_) = 0;         // requests not yet answered
};

void TurmaQueue::Impl::Start(Enrollment kind, project::DisciplinaPessoa par, std::string request_id,
                             Answer done) {
  std::string_view wrong;
  if (!IsPossibleId(par.disciplina())) {
    wrong = recusa::kSemDisciplina;
  } else if (!IsPossibleId(par.idpessoa())) {
    wrong = recusa::kSemAluno;
  } else if (!IsValidRequestId(request_id)) {
    wrong = recusa::kPedidoInvalido;
  }
  if (!wrong.empty()) {
    project::Status refusal = Recusa(wrong);
    meter_.Answered(kind, refusal);
    return std::move(done)(std::move(refusal));
  }
  TurmaRequest request;
  request.kind = kind;
  request.aluno = std::move(*par.mutable_idpessoa());
  request.request_id = std::move(request_id);
  request.done = std::move(done);
  request.arrived_ms = transactor_.clock().MonotonicMs();
  Enqueue(par.disciplina(), std::move(request));
}

void TurmaQueue::Impl::Enqueue(const std::string& sigla, TurmaRequest request) {
  Queue* to_drive = nullptr;
  Status refused;
  {
    base::MutexLock lock(mutex_);
    if (waiting_ >= limits_.waiting_in_all) {
      refused = Status(Code::kResourceExhausted, "too many enrollments are waiting");
    } else {
      Queue& queue = FindOrAdd(sigla);
      if (queue.waiting.size() >= static_cast<size_t>(limits_.waiting_per_turma)) {
        refused = Status(Code::kResourceExhausted, "too many enrollments wait for this class");
      } else {
        queue.waiting.push_back(std::move(request));
        ++waiting_;
        if (!queue.driven) {
          queue.driven = true;
          idle_.erase(queue.idle);
          to_drive = &queue;
        }
      }
    }
  }
  if (!refused.ok()) {
    meter_.Failed(1);
    // NOLINTNEXTLINE(bugprone-use-after-move): it is only moved into a queue if it is not refused
    return std::move(request.done)(refused);
  }
  if (to_drive != nullptr) Drive(*to_drive, transactor_.Enter());
}

// A new queue is idle until somebody drives it.
TurmaQueue::Impl::Queue& TurmaQueue::Impl::FindOrAdd(const std::string& sigla) {
  const auto found = queues_.find(sigla);
  if (found != queues_.end()) return *found->second;
  auto made = std::make_unique<Queue>(sigla);
  Queue& queue = *made;
  queues_.emplace(sigla, std::move(made));
  queue.idle = idle_.insert(idle_.end(), &queue);
  return queue;
}

void TurmaQueue::Impl::Rest(Queue& queue) {
  queue.driven = false;
  queue.idle = idle_.insert(idle_.end(), &queue);
  if (idle_.size() > static_cast<size_t>(limits_.idle_turmas)) {
    const std::string oldest = idle_.front()->sigla;
    idle_.pop_front();
    queues_.erase(oldest);
  }
}

// Works as long as anybody waits. After the last TakeBatch the queue may be gone.
Detached TurmaQueue::Impl::Drive(Queue& queue, Transactor::Presence presence) {
  TurmaBatch batch(queue.sigla, meter_);
  while (TakeBatch(queue, batch)) {
    meter_.Batch(batch.size());
    if (presence) {
      co_await Work(queue, batch);
    } else {
      batch.AnswerAll(Transactor::ClosedStatus());
    }
    ENSURE(batch.empty(), "everybody in a batch is answered");
  }
}

bool TurmaQueue::Impl::TakeBatch(Queue& queue, TurmaBatch& batch) {
  const int64_t oldest_ms = transactor_.clock().MonotonicMs() - kMaxWaitMs;
  std::vector<TurmaRequest> expired;
  bool taken = false;
  {
    base::MutexLock lock(mutex_);
    waiting_ -= batch.TakeCount();
    auto& waiting = queue.waiting;
    while (!waiting.empty()) {
      if (waiting.front().arrived_ms < oldest_ms) {
        expired.push_back(std::move(waiting.front()));
      } else if (!batch.TryAdd(waiting.front())) {
        break;
      }
      waiting.pop_front();
    }
    waiting_ -= static_cast<int>(expired.size());
    taken = !batch.empty();
    if (!taken) Rest(queue);
  }
  meter_.Failed(expired.size());
  for (TurmaRequest& request : expired) {
    std::move(request.done)(Status(Code::kUnavailable, "the class's queue did not move in time"));
  }
  return taken;
}

Task<bool> TurmaQueue::Impl::Look(TurmaBatch& batch) {
  TxnRequest request;
  batch.AddReads(request.mutable_success());
  const auto response = co_await transactor_.Read(std::move(request));
  const Status status = response.ok() ? batch.JudgeFrom(*response, 0) : response.status();
  if (!status.ok()) batch.AnswerAll(status);
  co_return status.ok();
}

Task<bool> TurmaQueue::Impl::Work(Queue& queue, TurmaBatch& batch) {
  const bool judged = queue.known && batch.JudgeFrom(*queue.known);
  queue.known.reset();
  if (!judged) co_await Look(batch);
  if (batch.HasWrites()) co_await WriteAll(queue, batch);
  queue.known = batch.known();
  co_return true;
}

// Somebody further from the store loses to this queue time and again, and says so by a touch. The
// pause that lets him in grows until it is long enough for him, and shrinks when it was.
int64_t TurmaQueue::Impl::NextYieldMs(Queue& queue) {
  const int64_t now_ms = transactor_.clock().MonotonicMs();
  if (now_ms - queue.yielded_ms > kYieldMemoryMs) queue.yield_shift = 0;
  queue.yielded_ms = now_ms;
  queue.yield_shift = std::min(queue.yield_shift + 1, kMaxYieldShift);
  return int64_t{1} << queue.yield_shift;
}

// Writes the batch, and judges and writes it again as often as somebody else was quicker.
Task<bool> TurmaQueue::Impl::WriteAll(Queue& queue, TurmaBatch& batch) {
  const std::string em = FormatTime(transactor_.clock().WallMs());
  bool lost_to_touch = false;
  for (int losses = 0; losses < kMaxLosses; ++losses) {
    // Who has just lost to a touch does not touch back, or nobody would ever get in.
    const bool touch = losses >= kLossesBeforeTouch && !lost_to_touch;
    Write write;
    write.pedidos = batch.CountPedidos();
    write.fence_key = TurmaKey(queue.sigla);
    write.build = [&](int64_t lease_id) { return batch.Build(lease_id, em, touch); };
    const auto outcome = co_await transactor_.Commit(std::move(write));
    if (!outcome.ok()) {
      batch.AnswerAll(outcome.status());
      co_return false;
    }
    if (outcome->applied) {
      batch.AnswerWritten(*outcome);
      co_return true;
    }
    meter_.Conflict();
    const TurmaKnown before = *batch.known();
    const Status status = batch.JudgeFrom(outcome->response, touch ? 1 : 0);
    if (!status.ok()) batch.AnswerAll(status);
    if (!batch.HasWrites()) co_return true;
    const bool was_let_in = lost_to_touch;
    lost_to_touch = before.IsTouched(*batch.known());
    if (lost_to_touch) {
      const int64_t pause_ms = NextYieldMs(queue);
      co_await transactor_.Pause(1, pause_ms);
    } else if (was_let_in) {
      queue.yield_shift = std::max(queue.yield_shift - 1, 0);
    }
  }
  batch.AnswerAll(ContentionStatus());
  co_return false;
}

void TurmaQueue::AdicionaAluno(project::DisciplinaPessoa par, std::string request_id, Answer done) {
  impl_->Start(Enrollment::kAdd, std::move(par), std::move(request_id), std::move(done));
}

void TurmaQueue::RemoveAluno(project::DisciplinaPessoa par, std::string request_id, Answer done) {
  impl_->Start(Enrollment::kDrop, std::move(par), std::move(request_id), std::move(done));
}

TurmaStats TurmaQueue::Stats() const { return impl_->Stats(); }

TurmaQueue::TurmaQueue(Transactor& transactor, TurmaQueueLimits limits)
    : impl_(std::make_unique<Impl>(transactor, limits)) {}

TurmaQueue::~TurmaQueue() = default;

}  // namespace matricula::domain
