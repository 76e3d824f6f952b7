#include "bench/day/player.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace matricula::day {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kNsPerSecond = 1'000 * kNsPerMs;
// How often the progress line is looked after while nothing happens.
constexpr int64_t kIdleNs = 100 * kNsPerMs;

int32_t Patience(const Wish& wish, Op op) {
  return op == Op::kEnroll ? wish.patience_us : wish.drop_patience_us;
}

}  // namespace

Player::Player(const Plan& plan, PlayOptions options, Client& client, Journal& journal,
               const base::Clock& clock)
    : plan_(plan),
      options_(std::move(options)),
      client_(client),
      journal_(journal),
      clock_(clock),
      random_(options_.seed),
      open_(plan.wishes.size()) {}

int64_t Player::RealNs(int64_t day_ms) const {
  return opening_ns_ +
         static_cast<int64_t>(static_cast<double>(day_ms * kNsPerMs) / options_.speed);
}

void Player::Schedule(uint32_t wish, Op op, int64_t day_ms) {
  events_.push({.due_ns = RealNs(day_ms), .wish = wish, .op = op});
}

void Player::Play(Progress& progress) {
  opening_ns_ = clock_.MonotonicNs();
  for (uint32_t wish = 0; wish < plan_.wishes.size(); wish += kWishesPerStudent) {
    Schedule(wish, Op::kEnroll, plan_.wishes[wish].at_ms);
  }
  while (!events_.empty() || client_.under_way() > 0) {
    if (client_.Deaf()) {
      journal_.findings().Add(achado::kSemResposta, "o dia foi interrompido");
      events_ = {};
    }
    while (!events_.empty() && !client_.Full() && events_.top().due_ns <= clock_.MonotonicNs()) {
      const Event event = events_.top();
      events_.pop();
      StartEvent(event);
    }
    int64_t until_ns = clock_.MonotonicNs() + kIdleNs;
    if (!events_.empty() && !client_.Full()) until_ns = std::min(until_ns, events_.top().due_ns);
    client_.Poll(until_ns);
    progress.Update([this] { return ProgressLine(); });
  }
  tally_.elapsed_ns = clock_.MonotonicNs() - opening_ns_;
  progress.Done(ProgressLine());
}

void Player::StartEvent(const Event& event) {
  const Wish& wish = plan_.wishes[event.wish];
  tally_.lag.Add(clock_.MonotonicNs() - event.due_ns);
  Send(event.wish, event.op, Patience(wish, event.op));
  if (event.op == Op::kEnroll && wish.duplicate) {
    ++tally_.duplicates;
    Send(event.wish, event.op, 0);
  }
}

Starter<project::Status> Player::MakeRequest(const Wish& wish, Op op) const {
  project::DisciplinaPessoa request;
  request.set_disciplina(journal_.campus().turmas[wish.turma].sigla);
  request.set_idpessoa(journal_.campus().alunos[wish.aluno].matricula);
  using Stub = project::PortalMatricula::Stub;
  return Request(
      op == Op::kEnroll ? &Stub::PrepareAsyncAdicionaAluno : &Stub::PrepareAsyncRemoveAluno,
      std::move(request));
}

void Player::Send(uint32_t index, Op op, int64_t patience_us) {
  const Wish& wish = plan_.wishes[index];
  Sent sent{.wish = index,
            .ticket = journal_.Begin(op, wish.turma, wish.aluno),
            .request_id = fmt::format("{}-{}", options_.request_prefix, next_request_++)};
  ++(op == Op::kEnroll ? tally_.enrolls : tally_.drops);
  ++open_[index];
  const std::string id = sent.request_id;
  client_.Write(MakeRequest(wish, op), id, patience_us,
                [this, sent = std::move(sent)](Answer answer) { OnAnswer(sent, answer); });
}

void Player::OnAnswer(const Sent& sent, const Answer& answer) {
  journal_.End(sent.ticket, answer);
  const bool impatient = Patience(plan_.wishes[sent.wish], sent.ticket.op) > 0;
  Count(sent.ticket.op, answer, !impatient);
  // A client that meant to hang up has not heard an answer that was quicker than it.
  if (impatient && answer.tries == 1 && answer.kind != Answer::Kind::kUnknown) {
    Repeat(sent, answer.kind == Answer::Kind::kOk);
  } else {
    if (impatient) ++tally_.repeats;
    OnOver(sent);
  }
}

void Player::Repeat(Sent sent, bool was_ok) {
  ++tally_.repeats;
  const Wish& wish = plan_.wishes[sent.wish];
  // After an ok the repeat has no effect; after a refusal it is a request like any other.
  if (!was_ok) sent.ticket = journal_.Begin(sent.ticket.op, wish.turma, wish.aluno);
  ++(sent.ticket.op == Op::kEnroll ? tally_.enrolls : tally_.drops);
  client_.Write(MakeRequest(wish, sent.ticket.op), sent.request_id,
                [this, sent, was_ok](Answer answer) { OnRepeated(sent, was_ok, answer); });
}

void Player::OnRepeated(const Sent& sent, bool was_ok, const Answer& answer) {
  if (was_ok) {
    journal_.EndRepeat(sent.ticket, answer);
  } else {
    journal_.End(sent.ticket, answer);
  }
  Count(sent.ticket.op, answer, true);
  OnOver(sent);
}

void Player::Count(Op op, const Answer& answer, bool patient) {
  switch (answer.kind) {
    case Answer::Kind::kOk:
      ++(op == Op::kEnroll ? tally_.enrolls_ok : tally_.drops_ok);
      break;
    case Answer::Kind::kRefused:
      ++tally_.refused[answer.message];
      break;
    case Answer::Kind::kUnknown:
      ++tally_.unknown;
      break;
  }
  if (patient) {
    tally_.latency.Add(answer.ended_ns - answer.started_ns);
    tally_.retried += answer.tries > 1;
  }
  const auto second = static_cast<size_t>((answer.ended_ns - opening_ns_) / kNsPerSecond);
  if (tally_.answers_by_second.size() <= second) tally_.answers_by_second.resize(second + 1);
  ++tally_.answers_by_second[second];
}

// The student goes on to what it wants next, when all answers about this wish are there.
void Player::OnOver(const Sent& sent) {
  if (--open_[sent.wish] > 0) return;
  const Wish& wish = plan_.wishes[sent.wish];
  if (sent.ticket.op == Op::kEnroll) {
    if ((sent.wish + 1) % kWishesPerStudent != 0) {
      Schedule(sent.wish + 1, Op::kEnroll, plan_.wishes[sent.wish + 1].at_ms);
    }
    if (wish.drop_after_ms >= 0 && journal_.IsIn(wish.turma, wish.aluno)) {
      const double now_ms = static_cast<double>(clock_.MonotonicNs() - opening_ns_) / kNsPerMs;
      const int64_t day_ms = static_cast<int64_t>(now_ms * options_.speed);
      Schedule(sent.wish, Op::kDrop, std::min(day_ms + wish.drop_after_ms, plan_.window_ms));
    }
  }
  if (random_.Chance(options_.report_share)) LookAtReport(wish.turma);
}

void Player::LookAtReport(uint32_t turma) {
  ++tally_.reports;
  client_.Detalha(
      journal_.campus().turmas[turma].sigla,
      [this, turma, asked = journal_.moment()](base::Result<project::RelatorioDisciplina> report) {
        // A report that could not be had says nothing; the audit will insist.
        if (!report.ok()) ++tally_.reports_lost;
        if (report.ok()) journal_.CheckReport(turma, asked, *report);
      });
}

std::string Player::ProgressLine() const {
  const int64_t real_ns = clock_.MonotonicNs() - opening_ns_;
  const auto day_s = static_cast<int64_t>(static_cast<double>(real_ns) / 1e9 * options_.speed);
  const auto answered = tally_.ok() + tally_.all_refused() + tally_.unknown;
  const size_t second = static_cast<size_t>(real_ns / kNsPerSecond);
  const auto& rates = tally_.answers_by_second;
  const int64_t rate = second > 0 && second <= rates.size() ? rates[second - 1] : 0;
  return fmt::format(
      "{:3}:{:02} do dia · {} pedidos · {} confirmados · {} recusados · {}/s · {} em andamento",
      day_s / 60, day_s % 60, answered, tally_.ok(), tally_.all_refused(), rate,
      client_.under_way());
}

}  // namespace matricula::day
