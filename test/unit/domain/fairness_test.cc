#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <utility>

#include "bed.h"

// Servers at different distances from the store, all after one class.
namespace matricula::domain {
namespace {

// Clients who enroll and drop for ever on a second server, so that a class never rests.
class Rush {
 public:
  // The store is between `least_us` and `most_us` away, one way.
  Rush(FakeBed& bed, std::string sigla, int clients, int64_t least_us, int64_t most_us)
      : bed_(bed),
        sigla_(std::move(sigla)),
        store_(bed.kv, bed.scheduler),
        server_(store_, bed.scheduler, bed.scheduler, static_cast<uint64_t>(most_us)) {
    store_.faults().least_us = least_us;
    store_.faults().most_us = most_us;
    for (int i = 0; i < clients; ++i) {
      const std::string aluno = "rush" + std::to_string(most_us) + "-" + std::to_string(i);
      REQUIRE(bed.NovoAluno(aluno, "Maycon") == "");
      Go(aluno, true);
    }
  }
  ~Rush() {
    Stop();
    bed_.scheduler.RunUntilIdle();
  }

  // Lets nobody ask again. All of a test must be stopped before the first is destroyed.
  void Stop() { over_ = true; }

  int done() const { return done_; }
  int failed() const { return failed_; }
  int64_t longest_ms() const { return longest_ms_; }

 private:
  void Go(const std::string& aluno, bool add) {
    const int64_t start_ms = bed_.scheduler.MonotonicMs();
    Answer next = [this, aluno, add, start_ms](base::Result<project::Status> result) {
      ++(result.ok() ? done_ : failed_);
      longest_ms_ = std::max(longest_ms_, bed_.scheduler.MonotonicMs() - start_ms);
      if (over_) return;
      bed_.scheduler.AfterUs(1, [this, aluno, add] { Go(aluno, !add); });
    };
    if (add) {
      server_.turmas.AdicionaAluno(Par(sigla_, aluno), "", std::move(next));
    } else {
      server_.turmas.RemoveAluno(Par(sigla_, aluno), "", std::move(next));
    }
  }

  FakeBed& bed_;
  const std::string sigla_;
  FakeStore store_;
  Server server_;
  int done_ = 0;
  int failed_ = 0;
  int64_t longest_ms_ = 0;
  bool over_ = false;
};

TEST_CASE("a class that never rests cannot keep anybody from its records") {
  FakeBed bed;
  bed.fake.faults().least_us = 500;  // this server is further away from the store
  bed.fake.faults().most_us = 2'500;
  REQUIRE(bed.NovoAluno("1192", "Maycon") == "");
  REQUIRE(bed.NovoProfessor("1034", "Ana Lima") == "");
  REQUIRE(bed.NovoProfessor("1035", "Rui Melo") == "");
  REQUIRE(bed.NovaDisciplina("GSI010", "prolog", 40) == "");
  REQUIRE(bed.Matricula("GSI010", "1192") == "");
  REQUIRE(bed.Docente("GSI010", "1034") == "");
  Rush rush(bed, "GSI010", 20, 20, 60);
  const auto within = [&](int64_t most_ms, auto call) {
    const int64_t start_ms = bed.scheduler.MonotonicMs();
    CHECK(call() == "");
    CHECK(bed.scheduler.MonotonicMs() - start_ms < most_ms);
  };
  for (int round = 0; round < 20; ++round) {
    within(500, [&] { return bed.Desmatricula("GSI010", "1192"); });
    within(500, [&] { return bed.Matricula("GSI010", "1192"); });
    within(500, [&] { return bed.EditaDisciplina("GSI010", "prolog", 40 - round); });
    within(500, [&] { return bed.TiraDocente("GSI010", "1034"); });
    within(500, [&] { return bed.Docente("GSI010", "1034"); });
  }
  within(500, [&] { return bed.RemoveAluno("1192"); });
  within(500, [&] { return bed.RemoveProfessor("1034"); });
  within(500, [&] { return bed.Docente("GSI010", "1035"); });
  within(500, [&] { return bed.RemoveDisciplina("GSI010"); });
  CHECK(rush.done() > 10'000);
  CHECK(bed.Violations() == "");
  CHECK(bed.CheckAll().pending_removals == 0);
}

TEST_CASE("servers near and far share a class") {
  FakeBed bed;
  REQUIRE(bed.NovaDisciplina("GSI010", "prolog", 100) == "");
  Rush near(bed, "GSI010", 20, 20, 60);
  Rush far(bed, "GSI010", 20, 500, 2'500);
  Rush farthest(bed, "GSI010", 20, 3'000, 6'000);
  const int64_t end_us = bed.scheduler.now_us() + 3'000'000;
  while (bed.scheduler.now_us() < end_us) REQUIRE(bed.scheduler.Step());
  for (Rush* rush : {&near, &far, &farthest}) {
    rush->Stop();
    INFO(near.done() << " " << far.done() << " " << farthest.done());
    INFO(near.longest_ms() << " " << far.longest_ms() << " " << farthest.longest_ms() << " ms");
    CHECK(rush->failed() == 0);
    CHECK(rush->done() >= 20 * 20);
    CHECK(rush->longest_ms() < 1'000);
  }
}

TEST_CASE("equal servers share a class equally") {
  FakeBed bed;
  REQUIRE(bed.NovaDisciplina("GSI010", "prolog", 100) == "");
  Rush one(bed, "GSI010", 20, 100, 501);
  Rush two(bed, "GSI010", 20, 100, 502);
  Rush three(bed, "GSI010", 20, 100, 503);
  Rush four(bed, "GSI010", 20, 100, 504);
  const int64_t end_us = bed.scheduler.now_us() + 2'000'000;
  while (bed.scheduler.now_us() < end_us) REQUIRE(bed.scheduler.Step());
  int all = 0;
  for (const Rush* rush : {&one, &two, &three, &four}) all += rush->done();
  for (Rush* rush : {&one, &two, &three, &four}) {
    rush->Stop();
    INFO(rush->done() << " of " << all << ", longest " << rush->longest_ms() << " ms");
    CHECK(rush->failed() == 0);
    CHECK(rush->done() > all / 8);
    CHECK(rush->longest_ms() < 500);
  }
}

}  // namespace
}  // namespace matricula::domain
