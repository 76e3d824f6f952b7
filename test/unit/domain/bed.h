#pragma once

#include <catch2/catch.hpp>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fake_store.h"
#include "server.h"

namespace matricula::domain {

// What a test of the rules stands on: a store with one server of the domain over it, and a way to
// wait for answers. The calls are short names for the portals' calls: they answer the reason of
// the refusal, "" for done, or "CODE: message" for an error.
class Bed {
 public:
  virtual ~Bed() = default;
  virtual Server& server() = 0;

  // Waits for the one answer that `start` is given a Done for.
  template <class T, class Start>
  base::Result<T> Await(Start start) {
    std::optional<base::Result<T>> answer;
    bool answered = false;
    start(base::Done<T>([&](base::Result<T> result) {
      Answered([&] {
        answer.emplace(std::move(result));
        answered = true;
      });
    }));
    WaitFor(answered);
    return std::move(*answer);
  }

  template <class Start>
  std::string Say(Start start) {
    const auto answer = Await<project::Status>(std::move(start));
    if (!answer.ok()) return answer.status().ToString();
    CHECK((answer->status() == 0) == answer->msg().empty());
    return answer->msg();
  }

  std::string NovoAluno(std::string matricula, std::string nome, std::string request_id = "") {
    return Say([&](Answer done) {
      server().cadastro.NovoAluno(MakeAluno(matricula, nome), request_id, std::move(done));
    });
  }
  std::string EditaAluno(std::string matricula, std::string nome, std::string request_id = "") {
    return Say([&](Answer done) {
      server().cadastro.EditaAluno(MakeAluno(matricula, nome), request_id, std::move(done));
    });
  }
  std::string RemoveAluno(std::string matricula, std::string request_id = "") {
    return Say([&](Answer done) {
      server().cadastro.RemoveAluno(matricula, request_id, std::move(done));
    });
  }
  std::string NovoProfessor(std::string siape, std::string nome, std::string request_id = "") {
    return Say([&](Answer done) {
      server().cadastro.NovoProfessor(MakeProfessor(siape, nome), request_id, std::move(done));
    });
  }
  std::string EditaProfessor(std::string siape, std::string nome, std::string request_id = "") {
    return Say([&](Answer done) {
      server().cadastro.EditaProfessor(MakeProfessor(siape, nome), request_id, std::move(done));
    });
  }
  std::string RemoveProfessor(std::string siape, std::string request_id = "") {
    return Say([&](Answer done) {
      server().cadastro.RemoveProfessor(siape, request_id, std::move(done));
    });
  }
  std::string NovaDisciplina(std::string sigla, std::string nome, int vagas,
                             std::string request_id = "") {
    return Say([&](Answer done) {
      server().cadastro.NovaDisciplina(MakeDisciplina(sigla, nome, vagas), request_id,
                                       std::move(done));
    });
  }
  std::string EditaDisciplina(std::string sigla, std::string nome, int vagas,
                              std::string request_id = "") {
    return Say([&](Answer done) {
      server().cadastro.EditaDisciplina(MakeDisciplina(sigla, nome, vagas), request_id,
                                        std::move(done));
    });
  }
  std::string RemoveDisciplina(std::string sigla, std::string request_id = "") {
    return Say([&](Answer done) {
      server().cadastro.RemoveDisciplina(sigla, request_id, std::move(done));
    });
  }
  std::string Matricula(std::string sigla, std::string aluno, std::string request_id = "") {
    return Say([&](Answer done) {
      server().turmas.AdicionaAluno(Par(sigla, aluno), request_id, std::move(done));
    });
  }
  std::string Desmatricula(std::string sigla, std::string aluno, std::string request_id = "") {
    return Say([&](Answer done) {
      server().turmas.RemoveAluno(Par(sigla, aluno), request_id, std::move(done));
    });
  }
  std::string Docente(std::string sigla, std::string siape, std::string request_id = "") {
    return Say([&](Answer done) {
      server().docentes.AdicionaProfessor(Par(sigla, siape), request_id, std::move(done));
    });
  }
  std::string TiraDocente(std::string sigla, std::string siape, std::string request_id = "") {
    return Say([&](Answer done) {
      server().docentes.RemoveProfessor(Par(sigla, siape), request_id, std::move(done));
    });
  }

  project::Aluno ObtemAluno(std::string matricula) {
    return *Await<project::Aluno>([&](base::Done<project::Aluno> done) {
      server().cadastro.ObtemAluno(matricula, std::move(done));
    });
  }
  project::Professor ObtemProfessor(std::string siape) {
    return *Await<project::Professor>([&](base::Done<project::Professor> done) {
      server().cadastro.ObtemProfessor(siape, std::move(done));
    });
  }
  project::Disciplina ObtemDisciplina(std::string sigla) {
    return *Await<project::Disciplina>([&](base::Done<project::Disciplina> done) {
      server().cadastro.ObtemDisciplina(sigla, std::move(done));
    });
  }
  project::RelatorioDisciplina Detalha(std::string sigla) {
    return *Await<project::RelatorioDisciplina>([&](base::Done<project::RelatorioDisciplina> done) {
      server().reports.DetalhaDisciplina(sigla, std::move(done));
    });
  }

  // All pages of a cursor.
  template <class T>
  base::Result<std::vector<T>> All(Cursor<T>& cursor, size_t* largest_page = nullptr) {
    std::vector<T> all;
    while (true) {
      auto page = Await<std::vector<T>>(
          [&](base::Done<std::vector<T>> done) { cursor.NextPage(std::move(done)); });
      if (!page.ok()) return page.status();
      if (page->empty()) return all;
      if (largest_page != nullptr) *largest_page = std::max(*largest_page, page->size());
      for (T& item : *page) all.push_back(std::move(item));
    }
  }
  std::vector<project::ResumoDisciplina> DisciplinasDoAluno(std::string matricula) {
    const auto cursor = server().reports.ObtemDisciplinasAluno(matricula);
    return *All(*cursor);
  }
  std::vector<project::RelatorioDisciplina> DisciplinasDoProfessor(std::string siape) {
    const auto cursor = server().reports.ObtemDisciplinasProfessor(siape);
    return *All(*cursor);
  }

  CheckReport CheckAll() {
    return *Await<CheckReport>(
        [&](base::Done<CheckReport> done) { Check(server().transactor, std::move(done)); });
  }
  // The violations in one text; empty if all is well.
  std::string Violations() {
    std::string all;
    for (const std::string& violation : CheckAll().violations) all += violation + "\n";
    return all;
  }

  // A write past the domain, as somebody with etcdctl could do it.
  base::Result<etcdserverpb::TxnResponse> Raw(etcdserverpb::TxnRequest request) {
    return Await<etcdserverpb::TxnResponse>([&](base::Done<etcdserverpb::TxnResponse> done) {
      store().Txn(std::move(request), std::move(done));
    });
  }
  void RawPut(std::string key, std::string value) {
    etcdserverpb::TxnRequest request;
    auto* put = request.add_success()->mutable_request_put();
    put->set_key(std::move(key));
    put->set_value(std::move(value));
    REQUIRE(Raw(std::move(request)).ok());
  }
  void RawDelete(std::string key) {
    etcdserverpb::TxnRequest request;
    request.add_success()->mutable_request_delete_range()->set_key(std::move(key));
    REQUIRE(Raw(std::move(request)).ok());
  }
  // The value of a key, or "(absent)".
  std::string RawGet(std::string key) {
    etcdserverpb::TxnRequest request;
    request.add_success()->mutable_request_range()->set_key(std::move(key));
    const auto response = Raw(std::move(request));
    REQUIRE(response.ok());
    const auto& range = response->responses(0).response_range();
    return range.kvs_size() == 0 ? "(absent)" : range.kvs(0).value();
  }

 protected:
  virtual store::Store& store() = 0;
  // Runs `change` so that WaitFor sees it.
  virtual void Answered(const std::function<void()>& change) = 0;
  virtual void WaitFor(const bool& answered) = 0;
};

// On the fake store, in simulated time.
class FakeBed final : public Bed {
 public:
  explicit FakeBed(uint64_t seed = 1, Faults faults = {})
      : scheduler(seed), fake(kv, scheduler, faults), server_(fake, scheduler, scheduler, seed) {}
  ~FakeBed() override {
    server_.transactor.Close();
    scheduler.RunUntilIdle();
  }

  Server& server() override { return server_; }

  FakeKv kv;
  Scheduler scheduler;
  FakeStore fake;

 protected:
  store::Store& store() override { return fake; }
  void Answered(const std::function<void()>& change) override { change(); }
  void WaitFor(const bool& answered) override {
    while (!answered) {
      if (!scheduler.Step()) FAIL("nothing happens any more, and no answer");
    }
  }

 private:
  Server server_;
};

}  // namespace matricula::domain
