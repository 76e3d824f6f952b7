#include <catch2/catch.hpp>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bed.h"
#include "history_check.h"

// Whole little registration days in simulated time: several servers on one store, clients that
// race, answers that are lost, servers that are killed. Everything comes from the seed.
namespace matricula::domain {
namespace {

// What one seed draws.
struct Setting {
  explicit Setting(Scheduler& chance)
      : servers(static_cast<int>(chance.Random(1, 4))),
        clients(static_cast<int>(chance.Random(2, 14))),
        operations(static_cast<int>(chance.Random(20, 140))),
        alunos(static_cast<int>(chance.Random(2, 12))),
        disciplinas(static_cast<int>(chance.Random(1, 5))),
        professores(static_cast<int>(chance.Random(1, 3))),
        most_vagas(static_cast<int>(chance.Random(1, 6))),
        admin_percent(static_cast<int>(chance.Random(0, 40))),
        request_id_percent(static_cast<int>(chance.Random(0, 100))),
        kills(chance.Chance(30)),
        burst(chance.Chance(50)) {
    if (!chance.Chance(70)) return;
    faults.unavailable = static_cast<int>(chance.Random(0, 10));
    faults.lost_applied = static_cast<int>(chance.Random(0, 12));
    faults.lost_dropped = static_cast<int>(chance.Random(0, 8));
    faults.lost_late = static_cast<int>(chance.Random(0, 12));
    faults.most_us = chance.Random(60, 20'000);
    faults.late_most_us = chance.Random(2'000, 8'000'000);
  }

  int servers;
  int clients;
  int operations;
  int alunos;
  int disciplinas;
  int professores;
  int most_vagas;
  int admin_percent;
  int request_id_percent;
  bool kills;
  bool burst;
  Faults faults;
};

class Day {
 public:
  explicit Day(uint64_t seed) : chance_(seed), setting_(chance_) {
    for (int i = 0; i < setting_.servers; ++i) AddServer();
  }
  ~Day() {
    for (auto& server : servers_) {
      // Its coroutines wait for ever, and it must be there as long as they do.
      if (server->killed) Keep(std::move(server));
    }
  }

  std::vector<std::string> Run() {
    for (int i = 0; i < setting_.clients; ++i) Next();
    if (setting_.kills && setting_.servers > 1) {
      chance_.AfterUs(chance_.Random(1'000, 300'000), [this] { Kill(); });
    }
    chance_.RunUntilIdle();
    Quiet();
    auto problems = CheckHistory(kv_, operations_);
    if (waiting_ > 0) problems.push_back(std::to_string(waiting_) + " were never answered");
    const CheckReport report = Verify();
    for (const std::string& violation : report.violations) problems.push_back(violation);
    if (report.pending_removals > 0) problems.push_back("a removal was left unfinished");
    return problems;
  }

  int operations() const { return static_cast<int>(operations_.size()); }

 private:
  struct Host {
    Host(FakeKv& kv, Scheduler& scheduler, Faults faults, uint64_t id)
        : store(kv, scheduler, faults), server(store, scheduler, scheduler, id) {}
    FakeStore store;
    Server server;
    bool killed = false;
  };

  static void Keep(std::unique_ptr<Host> host) {
    static auto* const graveyard = new std::vector<std::unique_ptr<Host>>;
    graveyard->push_back(std::move(host));
  }

  void AddServer() {
    const auto id = static_cast<uint64_t>(chance_.Random(1, 1'000'000'000));
    servers_.push_back(std::make_unique<Host>(kv_, chance_, setting_.faults, id));
  }

  Host& AnyHost() {
    while (true) {
      Host& host = *servers_[static_cast<size_t>(chance_.Random(0, setting_.servers - 1))];
      if (!host.killed) return host;
    }
  }

  void Kill() {
    Host& host = *servers_[0];
    host.killed = true;
    host.store.Kill();
    // Its clients turn to others; what they asked for last they ask for again.
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (host_of_[i] != &host || operations_[i].end != Operation::End::kNone) continue;
      --waiting_;
      Operation again = operations_[i];
      if (again.request_id.empty() || again.reads) {
        Next();
      } else {
        Start(again, 3);
      }
    }
  }

  std::string Aluno() { return "alu" + std::to_string(chance_.Random(1, setting_.alunos)); }
  std::string Professor() {
    return "prof" + std::to_string(chance_.Random(1, setting_.professores));
  }
  std::string Disciplina() {
    return "dis" + std::to_string(chance_.Random(1, setting_.disciplinas));
  }
  std::string Nome() { return "nome" + std::to_string(chance_.Random(1, 3)); }
  std::string Vagas() { return std::to_string(chance_.Random(1, setting_.most_vagas)); }

  Request DrawAdmin() {
    switch (chance_.Random(1, 11)) {
      case 1:
      case 2:
        return {"NovoAluno", {Aluno(), Nome()}};
      case 3:
        return {"EditaAluno", {Aluno(), Nome()}};
      case 4:
        return {"RemoveAluno", {Aluno()}};
      case 5:
        return {"NovoProfessor", {Professor(), Nome()}};
      case 6:
        return {"EditaProfessor", {Professor(), Nome()}};
      case 7:
        return {"RemoveProfessor", {Professor()}};
      case 8:
      case 9:
        return {"NovaDisciplina", {Disciplina(), Nome(), Vagas()}};
      case 10:
        return {"EditaDisciplina", {Disciplina(), Nome(), Vagas()}};
      default:
        return {"RemoveDisciplina", {Disciplina()}};
    }
  }

  Request DrawPortal() {
    const int64_t draw = chance_.Random(1, 100);
    if (draw <= 50) return {"AdicionaAlunoTurma", {Disciplina(), Aluno()}};
    if (draw <= 75) return {"RemoveAlunoTurma", {Disciplina(), Aluno()}};
    if (draw <= 80) return {"AdicionaProfessorTurma", {Disciplina(), Professor()}};
    if (draw <= 85) return {"RemoveProfessorTurma", {Disciplina(), Professor()}};
    if (draw <= 88) return {"ObtemAluno", {Aluno()}};
    if (draw <= 90) return {"ObtemTodosAlunos", {""}};
    if (draw <= 94) return {"DetalhaDisciplina", {Disciplina()}};
    if (draw <= 97) return {"ObtemDisciplinasAluno", {Aluno()}};
    return {"ObtemDisciplinasProfessor", {Professor()}};
  }

  // The first operations fill the store.
  Request Draw() {
    const int begun = begun_++;
    if (begun < setting_.alunos) return {"NovoAluno", {"alu" + std::to_string(begun + 1), Nome()}};
    if (begun < setting_.alunos + setting_.disciplinas) {
      const int number = begun - setting_.alunos + 1;
      return {"NovaDisciplina", {"dis" + std::to_string(number), Nome(), Vagas()}};
    }
    return chance_.Chance(setting_.admin_percent) ? DrawAdmin() : DrawPortal();
  }

  static bool Reads(const Request& request) {
    return request.name.starts_with("Obtem") || request.name.starts_with("Detalha");
  }

  // One client's next operation, after a while.
  void Next() {
    const int64_t pause_us = setting_.burst ? chance_.Random(0, 20) : chance_.Random(0, 20'000);
    chance_.AfterUs(pause_us, [this] {
      if (begun_ >= setting_.operations) return;
      Operation operation;
      operation.request = Draw();
      operation.reads = Reads(operation.request);
      if (!operation.reads && chance_.Chance(setting_.request_id_percent)) {
        operation.request_id = "r" + std::to_string(begun_);
      }
      Start(operation, 3);
      // An impatient client asks twice at once.
      if (!operation.request_id.empty() && chance_.Chance(5)) Start(operation, -1);
    });
  }

  // `retries` -1: nobody waits for it.
  void Start(Operation operation, int retries) {
    const size_t index = operations_.size();
    operation.called = kv_.revision();
    operation.end = Operation::End::kNone;
    operation.answered = Operation().answered;
    operations_.push_back(operation);
    Host& host = AnyHost();
    host_of_.push_back(&host);
    ++waiting_;
    if (operation.reads) {
      Read(host.server, operation.request, index);
    } else {
      Write(host.server, operation, index, retries);
    }
  }

  void Finish(size_t index, Operation::End end, std::string text) {
    Operation& operation = operations_[index];
    if (operation.end != Operation::End::kNone) {
      problems_.push_back("answered twice: " + ToString(operation.request));
    }
    operation.end = end;
    operation.text = std::move(text);
    operation.answered = kv_.revision();
    --waiting_;
  }

  void Write(Server& server, const Operation& operation, size_t index, int retries) {
    Answer done = [this, index, retries, operation](base::Result<project::Status> result) {
      using End = Operation::End;
      if (!result.ok()) {
        Finish(index, End::kError, result.status().ToString());
      } else {
        Finish(index, result->status() == 0 ? End::kOk : End::kRefused, result->msg());
      }
      if (retries < 0) return;
      const bool again = !result.ok() && !operation.request_id.empty() && retries > 0;
      if (again) {
        Start(operation, retries - 1);
      } else {
        Next();
      }
    };
    Dispatch(server, operation.request, operation.request_id, std::move(done));
  }

  static void Dispatch(Server& server, const Request& request, const std::string& id, Answer done) {
    const auto& name = request.name;
    const auto& a = request.arguments;
    auto& cadastro = server.cadastro;
    if (name == "NovoAluno") return cadastro.NovoAluno(MakeAluno(a[0], a[1]), id, std::move(done));
    if (name == "EditaAluno") {
      return cadastro.EditaAluno(MakeAluno(a[0], a[1]), id, std::move(done));
    }
    if (name == "RemoveAluno") return cadastro.RemoveAluno(a[0], id, std::move(done));
    if (name == "NovoProfessor") {
      return cadastro.NovoProfessor(MakeProfessor(a[0], a[1]), id, std::move(done));
    }
    if (name == "EditaProfessor") {
      return cadastro.EditaProfessor(MakeProfessor(a[0], a[1]), id, std::move(done));
    }
    if (name == "RemoveProfessor") return cadastro.RemoveProfessor(a[0], id, std::move(done));
    if (name == "RemoveDisciplina") return cadastro.RemoveDisciplina(a[0], id, std::move(done));
    if (name.ends_with("Disciplina")) {
      auto disciplina = MakeDisciplina(a[0], a[1], std::stoi(a[2]));
      if (name[0] == 'N') return cadastro.NovaDisciplina(disciplina, id, std::move(done));
      return cadastro.EditaDisciplina(disciplina, id, std::move(done));
    }
    const auto par = Par(a[0], a[1]);
    if (name == "AdicionaAlunoTurma") return server.turmas.AdicionaAluno(par, id, std::move(done));
    if (name == "RemoveAlunoTurma") return server.turmas.RemoveAluno(par, id, std::move(done));
    if (name == "AdicionaProfessorTurma") {
      return server.docentes.AdicionaProfessor(par, id, std::move(done));
    }
    server.docentes.RemoveProfessor(par, id, std::move(done));
  }

  void Read(Server& server, const Request& request, size_t index) {
    const std::string& id = request.arguments[0];
    if (request.name == "ObtemAluno") {
      return server.cadastro.ObtemAluno(id, TextDone<project::Aluno>(index));
    }
    if (request.name == "DetalhaDisciplina") {
      return server.reports.DetalhaDisciplina(id, TextDone<project::RelatorioDisciplina>(index));
    }
    if (request.name == "ObtemTodosAlunos") {
      return Pull<project::Aluno>(server.cadastro.ObtemTodosAlunos(), index, "");
    }
    if (request.name == "ObtemDisciplinasAluno") {
      return Pull<project::ResumoDisciplina>(server.reports.ObtemDisciplinasAluno(id), index, "");
    }
    Pull<project::RelatorioDisciplina>(server.reports.ObtemDisciplinasProfessor(id), index, "");
  }

  template <class T>
  base::Done<T> TextDone(size_t index) {
    return [this, index](base::Result<T> result) {
      Read(index, result.status(), result.ok() ? Text(*result) : "");
    };
  }

  void Read(size_t index, const base::Status& status, std::string text) {
    Finish(index, status.ok() ? Operation::End::kOk : Operation::End::kError,
           status.ok() ? std::move(text) : status.ToString());
    Next();
  }

  template <class T>
  void Pull(std::shared_ptr<Cursor<T>> cursor, size_t index, std::string so_far) {
    cursor->NextPage([this, cursor, index, so_far](base::Result<std::vector<T>> page) mutable {
      if (!page.ok() || page->empty()) return Read(index, page.status(), std::move(so_far));
      for (const T& item : *page) so_far += (so_far.empty() ? "" : "; ") + Text(item);
      // The next call comes from another stack, as it would from a stream.
      chance_.AfterUs(chance_.Random(0, 3'000),
                      [this, cursor, index, so_far] { Pull<T>(cursor, index, so_far); });
    });
  }

  // No more faults; what a killed server has left in the middle is finished.
  void Quiet() {
    for (auto& host : servers_) host->store.faults() = Faults();
    AnyHost().server.cadastro.ResumeRemovals([this](base::Result<int> result) {
      if (!result.ok()) problems_.push_back("ResumeRemovals: " + result.status().ToString());
    });
    chance_.RunUntilIdle();
  }

  CheckReport Verify() {
    CheckReport report;
    Check(AnyHost().server.transactor,
          [&](base::Result<CheckReport> result) { report = std::move(*result); });
    chance_.RunUntilIdle();
    for (const std::string& problem : problems_) report.violations.push_back(problem);
    return report;
  }

  Scheduler chance_;
  const Setting setting_;
  FakeKv kv_;
  std::vector<std::unique_ptr<Host>> servers_;
  std::vector<Operation> operations_;
  std::vector<Host*> host_of_;  // by operation
  std::vector<std::string> problems_;
  int begun_ = 0;
  int waiting_ = 0;
};

uint64_t SeedFrom(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST_CASE("races of many servers agree with the sequential model") {
  const uint64_t first = SeedFrom("DOMAIN_SEED", 1);
  const uint64_t count = SeedFrom("DOMAIN_SEEDS", 500);
  int operations = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Day day(seed);
    const auto problems = day.Run();
    operations += day.operations();
    if (problems.empty()) continue;
    std::string text = "repeat with DOMAIN_SEED=" + std::to_string(seed) + " DOMAIN_SEEDS=1\n";
    for (const std::string& problem : problems) text += problem + "\n";
    FAIL_CHECK(text);
  }
  WARN("seeds " << first << ".." << first + count - 1 << ", " << operations << " operations");
}

}  // namespace
}  // namespace matricula::domain
