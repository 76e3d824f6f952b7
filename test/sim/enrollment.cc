#include "test/sim/enrollment.h"

#include <fmt/format.h>

#include <utility>

#include "common/domain/keys.h"
#include "common/domain/records.h"
#include "common/domain/rules.h"

namespace matricula::sim {
namespace {

namespace recusa = domain::recusa;
using base::Code;
using base::Result;

constexpr int kTurmas = 3;
constexpr int kAlunos = 8;
constexpr int kMinLength = 4;
constexpr int kMaxTries = 60;

std::string Sigla(int number) { return fmt::format("GSI{:03}", number); }
std::string Matricula(int number) { return fmt::format("119{:03}", number); }

}  // namespace

Enrollment::Portal::Portal(World& world, Cluster& cluster, uint64_t writer_id)
    : store(world, cluster),
      timer(world),
      clock(world, 1, kSecond),
      transactor(store, timer, clock, {.budget_ms = 3'000, .writer_id = writer_id}),
      cadastro(transactor, domain::Rules(kMinLength)),
      turmas(transactor) {}

Enrollment::Enrollment(World& world, Cluster& cluster, const Truth& truth, int portals,
                       int requests, int64_t think_ns)
    : world_(world),
      cluster_(cluster),
      truth_(truth),
      random_(world.random().Fork()),
      think_ns_(think_ns),
      requests_left_(requests) {
  for (int i = 0; i < portals; ++i) {
    portals_.push_back(std::make_unique<Portal>(world, cluster, static_cast<uint64_t>(i + 1)));
  }
}

// Waits for what is under way, so it must be idle.
Enrollment::~Enrollment() = default;

void Enrollment::Insist(std::string request_id, int tries, Ask ask,
                        std::function<void(Told)> told) {
  if (tries == 0) {
    return told(base::Status(Code::kOutcomeUnknown, "no answer after many tries"));
  }
  Portal& portal = AnyPortal();
  ask(portal, request_id,
      [this, request_id, tries, ask, told = std::move(told)](Told answer) mutable {
        if (answer.ok()) return told(std::move(answer));
        if (answer.status().code() == Code::kDataLoss) {
          return world_.Fail("a portal found a malformed record: " + answer.status().message());
        }
        world_.After(random_.Between(5, 300) * kMs,
                     [this, request_id, tries, ask = std::move(ask), told = std::move(told)] {
                       Insist(request_id, stopping_ ? tries : tries - 1, ask, told);
                     });
      });
}

void Enrollment::Start() {
  if (portals_.empty()) return;
  SetUp();
}

// Classes and students first; each pair's client begins when its own are there.
void Enrollment::SetUp() {
  auto missing = std::make_shared<int>(kTurmas + kAlunos);
  const auto done = [this, missing](const Told& told) {
    --under_way_;
    if (told.ok() && told->status() != 0) {
      return world_.Fail("a first record was refused: " + told->msg());
    }
    if (!told.ok()) *missing = 1'000;  // the run is over before it began
    if (--*missing > 0) return;
    for (const auto& pair : pairs_) Next(*pair);
    EditSeats();
  };
  for (int t = 0; t < kTurmas; ++t) {
    project::Disciplina turma;
    turma.set_sigla(Sigla(t));
    turma.set_nome("uma disciplina");
    turma.set_vagas(static_cast<int32_t>(random_.Between(2, 6)));
    seats_[turma.sigla()] = turma.vagas();
    ++under_way_;
    Insist(
        fmt::format("turma-{}", t), kMaxTries,
        [turma](Portal& portal, const std::string& id, domain::Answer answer) {
          portal.cadastro.NovaDisciplina(turma, id, std::move(answer));
        },
        done);
    for (int a = 0; a < kAlunos; ++a) {
      pairs_.push_back(std::make_unique<Pair>(Pair{Sigla(t), Matricula(a), false, false}));
    }
  }
  for (int a = 0; a < kAlunos; ++a) {
    project::Aluno aluno;
    aluno.set_matricula(Matricula(a));
    aluno.set_nome("uma pessoa");
    ++under_way_;
    Insist(
        fmt::format("aluno-{}", a), kMaxTries,
        [aluno](Portal& portal, const std::string& id, domain::Answer answer) {
          portal.cadastro.NovoAluno(aluno, id, std::move(answer));
        },
        done);
  }
}

void Enrollment::Next(Pair& pair) {
  const int64_t mean_ns = 4 * think_ns_ * static_cast<int64_t>(pairs_.size());
  const auto wait_ns = static_cast<int64_t>(random_.Exponential(static_cast<double>(mean_ns)));
  world_.After(wait_ns / 4, [this, &pair] {
    if (stopping_ || pair.unknown || requests_left_-- <= 0) return;
    ++under_way_;
    if (random_.Chance(0.65)) {
      Enroll(pair);
    } else {
      Drop(pair);
    }
  });
}

void Enrollment::Refuse(const Pair& pair, const std::string& what, const Told& told) {
  world_.Fail(fmt::format("{} of {} in {} was answered {} \"{}\"", what, pair.aluno, pair.sigla,
                          told->status(), told->msg()));
}

void Enrollment::Enroll(Pair& pair) {
  project::DisciplinaPessoa who;
  who.set_disciplina(pair.sigla);
  who.set_idpessoa(pair.aluno);
  Insist(
      fmt::format("pedido-{}", ++request_ids_), kMaxTries,
      [who](Portal& portal, const std::string& id, domain::Answer answer) {
        portal.turmas.AdicionaAluno(who, id, std::move(answer));
      },
      [this, &pair](const Told& told) {
        OnEnrolled(pair, told);
        --under_way_;
        Next(pair);
      });
}

void Enrollment::Drop(Pair& pair) {
  project::DisciplinaPessoa who;
  who.set_disciplina(pair.sigla);
  who.set_idpessoa(pair.aluno);
  Insist(
      fmt::format("pedido-{}", ++request_ids_), kMaxTries,
      [who](Portal& portal, const std::string& id, domain::Answer answer) {
        portal.turmas.RemoveAluno(who, id, std::move(answer));
      },
      [this, &pair](const Told& told) {
        OnDropped(pair, told);
        --under_way_;
        Next(pair);
      });
}

void Enrollment::OnEnrolled(Pair& pair, const Told& told) {
  ++told_;
  if (!told.ok()) {
    pair.unknown = true;
  } else if (told->status() == 0) {
    if (pair.enrolled) return Refuse(pair, "a second enrollment", told);
    pair.enrolled = true;
  } else {
    const bool right =
        pair.enrolled ? told->msg() == recusa::kJaMatriculado : told->msg() == recusa::kSemVagas;
    if (!right) Refuse(pair, pair.enrolled ? "a second enrollment" : "an enrollment", told);
  }
}

void Enrollment::OnDropped(Pair& pair, const Told& told) {
  ++told_;
  if (!told.ok()) {
    pair.unknown = true;
  } else if (told->status() == 0) {
    if (!pair.enrolled) return Refuse(pair, "a drop of nobody", told);
    pair.enrolled = false;
  } else if (pair.enrolled || told->msg() != recusa::kNaoMatriculado) {
    Refuse(pair, "a drop", told);
  }
}

// More seats, or fewer: that must be refused if they are taken.
void Enrollment::EditSeats() {
  world_.After(random_.Between(500, 10'000) * kMs, [this] {
    if (stopping_) return;
    project::Disciplina turma;
    turma.set_sigla(Sigla(static_cast<int>(random_.Below(kTurmas))));
    turma.set_nome("outro nome");
    turma.set_vagas(static_cast<int32_t>(random_.Between(1, 8)));
    ++under_way_;
    Insist(
        fmt::format("edicao-{}", ++request_ids_), kMaxTries,
        [turma](Portal& portal, const std::string& id, domain::Answer answer) {
          portal.cadastro.EditaDisciplina(turma, id, std::move(answer));
        },
        [this](const Told& told) {
          --under_way_;
          if (told.ok() && told->status() != 0 && told->msg() != recusa::kVagasAbaixo) {
            return world_.Fail("an edit was refused: " + told->msg());
          }
          EditSeats();
        });
  });
}

// ---- the end ----

void Enrollment::Check(std::function<void()> done) {
  if (portals_.empty()) return done();
  domain::Check(portals_.front()->transactor, [this, done](Result<domain::CheckReport> report) {
    if (!report.ok()) {
      world_.After(200 * kMs, [this, done] { Check(done); });
      return;
    }
    if (!report->ok()) {
      return world_.Fail("the check of the whole store: " + report->violations.front());
    }
    etcdserverpb::TxnRequest txn;
    auto& range = *txn.add_success()->mutable_request_range();
    range.set_key(std::string(domain::kMatriculaPrefix));
    range.set_range_end(domain::PrefixEnd(domain::kMatriculaPrefix));
    Compare(truth_.model().Read(txn, truth_.model().revision()).responses(0).response_range());
    done();
  });
}

void Enrollment::Compare(const etcdserverpb::RangeResponse& rosters) {
  std::set<std::string> enrolled;
  for (const auto& pair : rosters.kvs()) enrolled.insert(pair.key());
  for (const auto& pair : pairs_) {
    const bool there = enrolled.contains(domain::MatriculaKey(pair->sigla, pair->aluno));
    if (pair->unknown || there == pair->enrolled) continue;
    world_.Fail(fmt::format("{} was told to be {} in {}, and is {}", pair->aluno,
                            pair->enrolled ? "in" : "out", pair->sigla, there ? "in" : "out"));
  }
}

// ---- every revision ----

void Seats::Look() {
  while (seen_ < truth_.model().revision()) {
    ++seen_;
    std::set<std::string> touched;
    for (const mvccpb::Event& event : truth_.model().EventsOf(seen_)) Note(event, touched);
    for (const std::string& sigla : touched) {
      const Turma& turma = turmas_[sigla];
      const int roster = static_cast<int>(turma.roster.size());
      if (turma.taken == roster && roster <= turma.seats) continue;
      world_.Fail(fmt::format("at revision {}, {} has {} seats, {} taken, and {} students", seen_,
                              sigla, turma.seats, turma.taken, roster));
    }
  }
}

void Seats::Note(const mvccpb::Event& event, std::set<std::string>& touched) {
  const std::string& key = event.kv().key();
  const bool put = event.type() == mvccpb::Event::PUT;
  if (key.starts_with(domain::kMatriculaPrefix)) {
    const auto ids = domain::IdsOfKey(key, domain::kMatriculaPrefix);
    if (!ids) return world_.Fail("a malformed key: " + key);
    std::set<std::string>& roster = turmas_[ids->first].roster;
    if (put) {
      roster.insert(ids->second);
    } else {
      roster.erase(ids->second);
    }
    touched.insert(ids->first);
  } else if (key.starts_with(domain::kTurmaPrefix) && put) {
    const auto turma = domain::DecodeTurma(event.kv().value());
    const std::string sigla = key.substr(domain::kTurmaPrefix.size());
    if (!turma.ok()) return world_.Fail("a malformed class: " + event.kv().value());
    turmas_[sigla].taken = turma->ocupadas;
    touched.insert(sigla);
  } else if (key.starts_with(domain::kDisciplinaPrefix) && put) {
    const auto disciplina = domain::DecodeDisciplina(event.kv().value());
    if (!disciplina.ok()) return world_.Fail("a malformed record: " + event.kv().value());
    turmas_[disciplina->sigla()].seats = disciplina->vagas();
    touched.insert(disciplina->sigla());
  }
}

}  // namespace matricula::sim
