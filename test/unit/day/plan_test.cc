#include "bench/day/plan.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <unistd.h>

#include "bench/day/csv.h"

namespace matricula::day {
namespace {

double Share(int64_t part, size_t whole) { return double(part) / double(whole); }

TEST_CASE("every student wishes for five different classes, and classes get their demand") {
  for (const auto& [students, classes] : {std::pair{20'000, 2'500}, {400, 50}, {8, 5}, {30, 5}}) {
    CAPTURE(students, classes);
    const Campus campus = MakeCampus({.students = students, .classes = classes});
    const Plan plan = MakePlan(campus, {});
    REQUIRE(plan.wishes.size() == size_t(students) * 5);
    std::vector<int> wanted(classes);
    for (int aluno = 0; aluno < students; ++aluno) {
      std::set<uint32_t> different;
      int64_t before_ms = 0;
      for (int order = 0; order < 5; ++order) {
        const Wish& wish = plan.wishes[aluno * 5 + order];
        REQUIRE(wish.aluno == uint32_t(aluno));
        REQUIRE(wish.at_ms >= before_ms);
        before_ms = wish.at_ms;
        different.insert(wish.turma);
        ++wanted[wish.turma];
      }
      REQUIRE(different.size() == 5);
    }
    int64_t off = 0;
    for (int i = 0; i < classes; ++i) off += std::abs(wanted[i] - campus.turmas[i].demanda);
    CHECK(off <= 8);
  }
}

TEST_CASE("arrivals are a rush and a trickle") {
  const Plan plan = MakePlan(MakeCampus({}), {.seed = 5, .window_ms = 60 * 60'000});
  int64_t within_2_minutes = 0;
  int64_t late = 0;
  const size_t students = plan.wishes.size() / 5;
  for (size_t i = 0; i < plan.wishes.size(); i += 5) {
    within_2_minutes += plan.wishes[i].at_ms < 2 * 60'000;
    late += plan.wishes[i].at_ms >= 30 * 60'000;
    REQUIRE(plan.wishes[i].at_ms <= 60 * 60'000);
  }
  // 80 % exponential with mean 2 minutes, 20 % uniform over the hour.
  CHECK(Share(within_2_minutes, students) ==
        Approx(0.8 * (1 - std::exp(-1)) + 0.2 / 30).margin(0.01));
  CHECK(Share(late, students) == Approx(0.1).margin(0.01));
}

TEST_CASE("duplicates, time-outs and drops have their shares") {
  const Plan plan = MakePlan(MakeCampus({}), {});
  int64_t duplicates = 0;
  int64_t timeouts = 0;
  int64_t drops = 0;
  for (const Wish& wish : plan.wishes) {
    duplicates += wish.duplicate;
    timeouts += wish.patience_us > 0;
    drops += wish.drop_after_ms >= 0;
    REQUIRE_FALSE((wish.duplicate && wish.patience_us > 0));
  }
  CHECK(Share(duplicates, plan.wishes.size()) == Approx(0.02).margin(0.002));
  CHECK(Share(timeouts, plan.wishes.size()) == Approx(0.01).margin(0.002));
  CHECK(Share(drops, plan.wishes.size()) == Approx(0.08).margin(0.004));
}

std::string Contents(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

TEST_CASE("the files have headers, one line per record, and depend on the seed alone") {
  const auto directory =
      std::filesystem::temp_directory_path() / ("matricula_day_test." + std::to_string(::getpid()));
  const Campus campus = MakeCampus({.seed = 9, .students = 60, .classes = 10});
  for (const char* copy : {"a", "b"}) {
    REQUIRE(WriteCsv(campus, MakePlan(campus, {.seed = 9}), directory / copy).ok());
  }
  const std::pair<const char*, std::pair<const char*, int>> files[] = {
      {"alunos.csv", {"matricula,nome\n", 60}},
      {"professores.csv", {"siape,nome\n", 5}},
      {"disciplinas.csv", {"sigla,nome,vagas\n", 10}},
      {"docentes.csv", {"sigla,siape\n", 10}},
      {"wishes.csv", {"momento_ms,", 300}}};
  for (const auto& [name, expected] : files) {
    CAPTURE(name);
    const std::string text = Contents(directory / "a" / name);
    CHECK(text.starts_with(expected.first));
    CHECK(std::count(text.begin(), text.end(), '\n') == expected.second + 1);
    CHECK(text == Contents(directory / "b" / name));
  }
  std::filesystem::remove_all(directory);
  CHECK_FALSE(WriteCsv(campus, {}, "/proc/no_such_place").ok());
}

}  // namespace
}  // namespace matricula::day
