// Measures the domain without any network: what a request costs on top of a store that costs
// nothing, and how many of them the real store takes, in memory and on disk.
//
// usage: domain_bench [SECONDS PER LINE]
#include <fmt/format.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/domain/domain.h"
#include "common/domain/records.h"
#include "common/storage/memory_engine.h"
#include "common/storage/rocksdb_engine.h"
#include "common/store/replica_store.h"

namespace matricula::domain {
namespace {

constexpr int kInFlight = 64;
constexpr int kTurmas = 200;
constexpr int kAlunos = 20'000;

// Says yes to every write and answers every read with nothing, at once.
class YesStore final : public store::Store {
 public:
  void Range(const etcdserverpb::RangeRequest&,
             base::Done<etcdserverpb::RangeResponse> done) override {
    std::move(done)(etcdserverpb::RangeResponse());
  }
  void Txn(etcdserverpb::TxnRequest request, base::Done<etcdserverpb::TxnResponse> done) override {
    etcdserverpb::TxnResponse response;
    response.set_succeeded(true);
    response.mutable_header()->set_revision(++revision_);
    for (const auto& op : request.success()) {
      auto* answer = response.add_responses();
      if (op.has_request_range()) AnswerRead(op.request_range(), answer->mutable_response_range());
    }
    std::move(done)(std::move(response));
  }
  std::unique_ptr<store::Watch> OpenWatch(const etcdserverpb::WatchCreateRequest&,
                                          store::WatchSink*) override {
    return nullptr;
  }
  void LeaseGrant(const etcdserverpb::LeaseGrantRequest&,
                  base::Done<etcdserverpb::LeaseGrantResponse> done) override {
    etcdserverpb::LeaseGrantResponse response;
    response.set_id(1);
    std::move(done)(std::move(response));
  }
  void LeaseKeepAlive(int64_t, base::Done<etcdserverpb::LeaseKeepAliveResponse> done) override {
    std::move(done)(etcdserverpb::LeaseKeepAliveResponse());
  }

 private:
  static void AnswerRead(const etcdserverpb::RangeRequest& request,
                         etcdserverpb::RangeResponse* response) {
    const bool disciplina = request.key().starts_with("disciplina/");
    const bool turma = request.key().starts_with("turma/");
    const bool aluno = request.key().starts_with("aluno/");
    if (!disciplina && !turma && !aluno) return;
    response->set_count(1);
    auto* pair = response->add_kvs();
    pair->set_key(request.key());
    pair->set_mod_revision(1);
    pair->set_value(disciplina ? R"({"sigla":"GSI010","nome":"prolog","vagas":1000000000})"
                    : turma    ? R"({"professor":"","ocupadas":0})"
                               : R"({"matricula":"11921BSI209","nome":"Maycon"})");
  }

  std::atomic<int64_t> revision_{1};
};

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

using Request = std::function<void(int64_t number, base::Done<bool> done)>;

// Keeps kInFlight requests under way for a while. A request that is answered at once is followed by
// the next in a loop, not by recursion.
class Load {
 public:
  Load(Request request, int64_t last) : request_(std::move(request)), last_(last) {}

  // Until the number of requests, or the time, is up.
  void Run(double seconds) {
    const int64_t start_ns = base::SystemClock().MonotonicNs();
    end_ns_ = start_ns + static_cast<int64_t>(seconds * 1e9);
    const double cpu_before = CpuSeconds();
    for (int i = 0; i < kInFlight; ++i) Go();
    base::MutexLock lock(mutex_);
    while (running_ > 0) changed_.Wait(mutex_);
    elapsed_ = static_cast<double>(base::SystemClock().MonotonicNs() - start_ns) / 1e9;
    cpu_ = CpuSeconds() - cpu_before;
  }

  std::string Result() const {
    const auto done = static_cast<double>(done_.load());
    return fmt::format("{:>9.0f}/s {:>6.2f} us CPU each, {} failed", done / elapsed_,
                       cpu_ / done * 1e6, failed_.load());
  }

 private:
  void Go() {
    {
      base::MutexLock lock(mutex_);
      ++running_;
    }
    while (true) {
      const int64_t number = next_++;
      if (number >= last_ || base::SystemClock().MonotonicNs() > end_ns_) break;
      auto met = std::make_shared<std::atomic<bool>>(false);
      request_(number, [this, met](base::Result<bool> result) {
        ++done_;
        if (!result.ok() || !*result) ++failed_;
        if (met->exchange(true)) {
          Go();
          Leave();
        }
      });
      if (!met->exchange(true)) return;
    }
    Leave();
  }

  void Leave() {
    base::MutexLock lock(mutex_);
    if (--running_ == 0) changed_.NotifyAll();
  }

  const Request request_;
  const int64_t last_;
  int64_t end_ns_ = 0;
  std::atomic<int64_t> next_{0};
  std::atomic<int64_t> done_{0};
  std::atomic<int64_t> failed_{0};
  double elapsed_ = 0;
  double cpu_ = 0;
  base::Mutex mutex_;
  base::CondVar changed_;
  int running_ GUARDED_BY(mutex_) = 0;
};

Answer Judge(base::Done<bool> done) {
  return [done = std::move(done)](base::Result<project::Status> result) mutable {
    std::move(done)(result.ok() && result->status() == 0);
  };
}

std::string AlunoId(int64_t number) { return "11921BSI" + std::to_string(100'000 + number); }
std::string Sigla(int64_t number) { return "GSI" + std::to_string(1'000 + number); }

class Bench {
 public:
  Bench(store::Store& store, double seconds)
      : domain_(store, base::SystemClock(), {}), seconds_(seconds) {}

  void Run() {
    const int64_t many = int64_t{1} << 40;
    Fill();
    Line("NovoAluno", many, [this](int64_t i, base::Done<bool> done) {
      project::Aluno aluno;
      aluno.set_matricula("novo" + std::to_string(i));
      aluno.set_nome("Maycon da Silva Souza");
      domain_.cadastro().NovoAluno(aluno, "", Judge(std::move(done)));
    });
    Line("ObtemAluno", many, [this](int64_t i, base::Done<bool> done) {
      domain_.cadastro().ObtemAluno(AlunoId(i % kAlunos),
                                    [done = std::move(done)](auto result) mutable {
                                      std::move(done)(result.ok() && !result->matricula().empty());
                                    });
    });
    // First all students of a class come, then all go, and so on.
    Line("AdicionaAluno, one class", many, [this](int64_t i, base::Done<bool> done) {
      Enroll(Sigla(0), AlunoId(i % kAlunos), i / kAlunos % 2 == 0, "", std::move(done));
    });
    Line("AdicionaAluno, 200 classes", many, [this](int64_t i, base::Done<bool> done) {
      const int64_t round = i / kAlunos;
      Enroll(Sigla(1 + i % kTurmas), AlunoId(i % kAlunos), round % 2 == 0, "", std::move(done));
    });
    Line("with request ids, one class", many, [this](int64_t i, base::Done<bool> done) {
      Enroll(Sigla(kTurmas + 1), AlunoId(i % kAlunos), i / kAlunos % 2 == 0,
             "request-" + std::to_string(i), std::move(done));
    });
    Line("AdicionaAluno, a full class", many, [this](int64_t i, base::Done<bool> done) {
      domain_.turmas().AdicionaAluno(
          Par(Sigla(kTurmas + 2), AlunoId(1 + i % (kAlunos - 1))), "",
          [done = std::move(done)](auto result) mutable { std::move(done)(result.ok()); });
    });
  }

 private:
  static project::DisciplinaPessoa Par(std::string sigla, std::string aluno) {
    project::DisciplinaPessoa par;
    par.set_disciplina(std::move(sigla));
    par.set_idpessoa(std::move(aluno));
    return par;
  }

  void Enroll(std::string sigla, std::string aluno, bool add, std::string request_id,
              base::Done<bool> done) {
    auto par = Par(std::move(sigla), std::move(aluno));
    auto& turmas = domain_.turmas();
    if (add) return turmas.AdicionaAluno(std::move(par), request_id, Judge(std::move(done)));
    turmas.RemoveAluno(std::move(par), request_id, Judge(std::move(done)));
  }

  void Fill() {
    Load alunos(
        [this](int64_t i, base::Done<bool> done) {
          project::Aluno aluno;
          aluno.set_matricula(AlunoId(i));
          aluno.set_nome("Maycon da Silva Souza");
          domain_.cadastro().NovoAluno(aluno, "", Judge(std::move(done)));
        },
        kAlunos);
    alunos.Run(1e6);
    Load disciplinas(
        [this](int64_t i, base::Done<bool> done) {
          project::Disciplina disciplina;
          disciplina.set_sigla(Sigla(i));
          disciplina.set_nome("Programação Lógica");
          disciplina.set_vagas(i == kTurmas + 2 ? 1 : 1'000'000'000);
          domain_.cadastro().NovaDisciplina(disciplina, "", Judge(std::move(done)));
        },
        kTurmas + 3);
    disciplinas.Run(1e6);
    Load last_seat(
        [this](int64_t, base::Done<bool> done) {
          Enroll(Sigla(kTurmas + 2), AlunoId(0), true, "", std::move(done));
        },
        1);
    last_seat.Run(1e6);
  }

  void Line(const char* name, int64_t last, Request request) {
    Load load(std::move(request), last);
    load.Run(seconds_);
    fmt::print("  {:<28}{}\n", name, load.Result());
    std::fflush(stdout);
  }

  Domain domain_;
  const double seconds_;
};

template <class Call>
void PrintCost(const char* name, Call call) {
  constexpr int kCalls = 200'000;
  const int64_t start_ns = base::SystemClock().MonotonicNs();
  size_t sum = 0;
  for (int i = 0; i < kCalls; ++i) sum += call();
  const int64_t ns = base::SystemClock().MonotonicNs() - start_ns;
  fmt::print("  {:<28}{:>6} ns{}\n", name, ns / kCalls, sum == 0 ? " (nothing done)" : "");
}

void MeasureRecords() {
  project::Aluno aluno;
  aluno.set_matricula("11921BSI209");
  aluno.set_nome("Maycon da Silva Souza");
  project::Disciplina disciplina;
  disciplina.set_sigla("GSI010");
  disciplina.set_nome("Programação Lógica");
  disciplina.set_vagas(30);
  const std::string aluno_json = EncodeAluno(aluno);
  const std::string disciplina_json = EncodeDisciplina(disciplina);
  const std::string turma_json = EncodeTurma({"1034567", 17});
  const std::string em = FormatTime(0);
  const Rules rules;
  fmt::print("records\n");
  PrintCost("encode aluno", [&] { return EncodeAluno(aluno).size(); });
  PrintCost("encode turma", [&] { return EncodeTurma({"1034567", 17}).size(); });
  PrintCost("encode matricula",
            [&] { return EncodeMatricula("GSI010", "11921BSI209", em).size(); });
  PrintCost("decode aluno", [&] { return DecodeAluno(aluno_json)->nome().size(); });
  PrintCost("decode disciplina", [&] { return DecodeDisciplina(disciplina_json)->nome().size(); });
  PrintCost("decode turma", [&] { return DecodeTurma(turma_json)->professor.size(); });
  PrintCost("check aluno", [&] { return rules.Check(aluno) ? 0 : 1; });
}

void MeasureReplica(const char* name, std::unique_ptr<storage::Engine> engine, double seconds) {
  fmt::print("{}\n", name);
  auto store = store::ReplicaStore::Open(std::move(engine), {}).value();
  Bench(*store, seconds).Run();
}

}  // namespace
}  // namespace matricula::domain

int main(int argc, char** argv) {
  using namespace matricula;
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  domain::MeasureRecords();
  {
    fmt::print("a store that costs nothing\n");
    domain::YesStore store;
    domain::Bench(store, seconds).Run();
  }
  domain::MeasureReplica("the real store in memory", storage::NewMemoryEngine(), seconds);
  std::string directory = std::filesystem::temp_directory_path() / "domain_bench.XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return 1;
  auto engine = storage::OpenRocksDbEngine(directory + "/db", {});
  if (!engine.ok()) return 1;
  domain::MeasureReplica("the real store on disk", std::move(engine).value(), seconds);
  std::filesystem::remove_all(directory);
  return 0;
}
