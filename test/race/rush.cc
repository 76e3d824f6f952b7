// matricula_rush: clients of several portals who want seats of one class without a pause, while the
// office changes the same class; says as JSON what each of them got. Used by fairness_test.py.
#include <absl/synchronization/mutex.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <deque>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "bench/day/client.h"
#include "common/base/clock.h"

namespace matricula::race {
namespace {

using Admin = project::PortalAdministrativo::Stub;
using Portal = project::PortalMatricula::Stub;
using Write = day::Starter<project::Status>;

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kIdleNs = 1 * kNsPerMs;

struct Flags {
  std::vector<std::string> servers;
  std::vector<std::string> portals;
  double seconds = 3;
  int clients = 64;   // of each portal
  int students = 16;  // of each client
  int seats = 2'000;
};

// What somebody asked for, and how long he waited.
class Experience {
 public:
  void Note(const day::Answer& answer) {
    if (answer.kind == day::Answer::Kind::kOk) ++ok_;
    if (answer.kind == day::Answer::Kind::kRefused) ++refused_;
    if (answer.kind == day::Answer::Kind::kUnknown) ++unknown_;
    repeated_ += answer.tries - 1;
    waits_ms_.push_back(static_cast<double>(answer.ended_ns - answer.started_ns) / kNsPerMs);
  }

  nlohmann::json ToJson() {
    std::sort(waits_ms_.begin(), waits_ms_.end());
    const auto at = [this](double share) {
      const auto place = static_cast<size_t>(share * static_cast<double>(waits_ms_.size()));
      return waits_ms_.empty() ? 0 : waits_ms_[std::min(place, waits_ms_.size() - 1)];
    };
    return {
        {"ok", ok_},         {"refused", refused_}, {"unknown", unknown_}, {"repeats", repeated_},
        {"p50_ms", at(0.5)}, {"p99_ms", at(0.99)},  {"longest_ms", at(1)}};
  }

 private:
  int64_t ok_ = 0;
  int64_t refused_ = 0;
  int64_t unknown_ = 0;
  int64_t repeated_ = 0;
  std::vector<double> waits_ms_;
};

project::DisciplinaPessoa Pair(const std::string& sigla, const std::string& id) {
  project::DisciplinaPessoa pair;
  pair.set_disciplina(sigla);
  pair.set_idpessoa(id);
  return pair;
}

Write NovoAluno(const std::string& matricula) {
  project::Aluno aluno;
  aluno.set_matricula(matricula);
  aluno.set_nome("Aluno " + matricula);
  return day::Request(&Admin::PrepareAsyncNovoAluno, aluno);
}

project::Disciplina Disciplina(const std::string& sigla, int vagas) {
  project::Disciplina disciplina;
  disciplina.set_sigla(sigla);
  disciplina.set_nome("Disciplina " + sigla);
  disciplina.set_vagas(vagas);
  return disciplina;
}

class Rush {
 public:
  explicit Rush(Flags flags) : flags_(std::move(flags)), clock_(base::SystemClock()) {
    for (const std::string& portal : flags_.portals) {
      day::ClientOptions options;
      options.servers = flags_.servers;
      options.portals = {portal};
      options.in_flight = flags_.clients;
      doors_.push_back(std::make_unique<Door>(options, clock_));
    }
  }

  nlohmann::json Run() {
    SetUp();
    end_ns_ = clock_.MonotonicNs() + static_cast<int64_t>(flags_.seconds * 1e9);
    for (size_t door = 0; door < doors_.size(); ++door) {
      for (int client = 0; client < flags_.clients; ++client) Go(door, client, 0);
    }
    Office(0);
    Drive();
    nlohmann::json result;
    for (auto& door : doors_) result["portals"].push_back(door->experience.ToJson());
    for (auto& [task, experience] : office_) result["office"][task] = experience.ToJson();
    result["seconds"] = flags_.seconds;
    return result;
  }

 private:
  // The way in that some of the clients use.
  struct Door {
    Door(day::ClientOptions options, const base::Clock& clock)
        : client(std::move(options), clock) {}
    day::Client client;
    Experience experience;
  };

  std::string Student(size_t door, int client, int number) const {
    return fmt::format("{}A{}-{}-{}", sigla_, door, client, number);
  }

  void Send(size_t door, Write write, day::Client::AnswerFn done) {
    doors_[door]->client.Write(std::move(write), fmt::format("{}-{}", sigla_, next_id_++),
                               std::move(done));
  }

  void SetUp() {
    const auto insist = [this](size_t door, Write write) {
      Send(door, std::move(write), [](const day::Answer& answer) {
        if (answer.kind == day::Answer::Kind::kOk) return;
        std::fprintf(stderr, "setting up: %s\n", answer.message.c_str());
        std::exit(1);
      });
      while (doors_[door]->client.Full()) doors_[door]->client.Poll(clock_.MonotonicNs() + kIdleNs);
    };
    insist(0, day::Request(&Admin::PrepareAsyncNovaDisciplina, Disciplina(sigla_, flags_.seats)));
    insist(0, NovoAluno(Victim()));
    project::Professor professor;
    professor.set_siape(Teacher());
    professor.set_nome("Professor " + Teacher());
    insist(0, day::Request(&Admin::PrepareAsyncNovoProfessor, professor));
    for (size_t door = 0; door < doors_.size(); ++door) {
      for (int i = 0; i < flags_.clients * flags_.students; ++i) {
        insist(door, NovoAluno(Student(door, i / flags_.students, i % flags_.students)));
      }
    }
    Drive();
  }

  // A client enrolls one of its students after the other, and then takes them out again.
  void Go(size_t door, int client, int step) {
    if (clock_.MonotonicNs() >= end_ns_) return;
    const bool add = step / flags_.students % 2 == 0;
    const auto pair = Pair(sigla_, Student(door, client, step % flags_.students));
    Send(door,
         add ? day::Request(&Portal::PrepareAsyncAdicionaAluno, pair)
             : day::Request(&Portal::PrepareAsyncRemoveAluno, pair),
         [this, door, client, step](const day::Answer& answer) {
           doors_[door]->experience.Note(answer);
           Go(door, client, step + 1);
         });
  }

  std::string Victim() const { return sigla_ + "Aluno"; }
  std::string Teacher() const { return sigla_ + "Prof"; }

  // All that changes the class's keys but the queues: vagas, its teacher, a student's removal.
  void Office(int step) {
    if (clock_.MonotonicNs() >= end_ns_) return;
    project::Identificador victim;
    victim.set_id(Victim());
    std::pair<std::string, Write> tasks[] = {
        {"edita_disciplina", day::Request(&Admin::PrepareAsyncEditaDisciplina,
                                          Disciplina(sigla_, flags_.seats + step))},
        {"adiciona_professor",
         day::Request(&Portal::PrepareAsyncAdicionaProfessor, Pair(sigla_, Teacher()))},
        {"adiciona_aluno",
         day::Request(&Portal::PrepareAsyncAdicionaAluno, Pair(sigla_, Victim()))},
        {"remove_professor",
         day::Request(&Portal::PrepareAsyncRemoveProfessor, Pair(sigla_, Teacher()))},
        {"remove_aluno", day::Request(&Admin::PrepareAsyncRemoveAluno, victim)},
        {"novo_aluno", NovoAluno(Victim())}};
    auto& [name, write] = tasks[step % std::size(tasks)];
    Send(step % doors_.size(), std::move(write),
         [this, task = name, step](const day::Answer& answer) {
           office_[task].Note(answer);
           Office(step + 1);
         });
  }

  void Drive() {
    const auto busy = [](const auto& door) { return door->client.under_way() > 0; };
    while (std::any_of(doors_.begin(), doors_.end(), busy)) {
      for (auto& door : doors_) door->client.Poll(clock_.MonotonicNs() + kIdleNs / 50);
    }
  }

  const Flags flags_;
  const base::Clock& clock_;
  const std::string sigla_ = fmt::format("R{:x}", clock_.WallMs() % 0x10000000);
  std::vector<std::unique_ptr<Door>> doors_;
  std::map<std::string, Experience> office_;
  int64_t end_ns_ = 0;
  uint64_t next_id_ = 0;
};

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app{"Portals that want seats of one class without a pause; what each got, as JSON."};
  app.add_option("--server", flags.servers, "HOST:PORT of the admin servers")
      ->delimiter(',')
      ->required();
  app.add_option("--portal", flags.portals, "HOST:PORT of the portals")->delimiter(',')->required();
  app.add_option("--seconds", flags.seconds, "how long")->capture_default_str();
  app.add_option("--clients", flags.clients, "of each portal")->capture_default_str();
  app.add_option("--students", flags.students, "of each client")->capture_default_str();
  app.add_option("--seats", flags.seats, "of the class")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::puts(Rush(std::move(flags)).Run().dump().c_str());
  return 0;
}

}  // namespace
}  // namespace matricula::race

int main(int argc, char** argv) {
  // gRPC's own locks trip the detector's aborting mode.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return matricula::race::Main(argc, argv);
}
