// The registration day is shaped like a real university's: its published figures, measured.
#include "bench/day/campus.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "bench/day/names.h"
#include "bench/day/offers.h"

namespace matricula::day {
namespace {

double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size()))];
}

std::vector<double> DemandRatios(const Campus& campus) {
  std::vector<double> ratios;
  for (const Turma& turma : campus.turmas) ratios.push_back(double(turma.demanda) / turma.vagas);
  return ratios;
}

TEST_CASE("the campus of every seed has the demand of a real one") {
  for (const uint64_t seed : {1, 2, 3}) {
    CAPTURE(seed);
    const Campus campus = MakeCampus({.seed = seed});
    REQUIRE(campus.alunos.size() == 20'000);
    REQUIRE(campus.turmas.size() == 2'500);

    const std::vector<double> ratios = DemandRatios(campus);
    CHECK(Quantile(ratios, 0.10) == Approx(0.39).epsilon(0.06));
    CHECK(Quantile(ratios, 0.25) == Approx(0.66).epsilon(0.06));
    CHECK(Quantile(ratios, 0.50) == Approx(1.00).epsilon(0.06));
    CHECK(Quantile(ratios, 0.75) == Approx(1.30).epsilon(0.06));
    CHECK(Quantile(ratios, 0.90) == Approx(1.50).epsilon(0.06));
    CHECK(Quantile(ratios, 0.99) == Approx(5.70).epsilon(0.06));

    std::vector<int64_t> demand;
    for (const Turma& turma : campus.turmas) demand.push_back(turma.demanda);
    std::sort(demand.begin(), demand.end(), std::greater<>());
    const int64_t all = std::accumulate(demand.begin(), demand.end(), int64_t{0});
    CHECK(all == 100'000);
    const int64_t most = std::accumulate(demand.begin(), demand.begin() + 250, int64_t{0});
    CHECK(double(most) / double(all) == Approx(1.0 / 3).margin(0.02));
  }
}

TEST_CASE("seats are lognormal around 40 between 10 and 120") {
  const Campus campus = MakeCampus({});
  std::vector<double> seats;
  std::vector<double> logs;
  for (const Turma& turma : campus.turmas) {
    seats.push_back(turma.vagas);
    logs.push_back(std::log(turma.vagas));
  }
  CHECK(*std::min_element(seats.begin(), seats.end()) >= 10);
  CHECK(*std::max_element(seats.begin(), seats.end()) <= 120);
  const double count = double(seats.size());
  CHECK(std::accumulate(seats.begin(), seats.end(), 0.0) / count == Approx(40).epsilon(0.05));
  // Lognormal: in the logarithm, mean and median agree, and there is no skew.
  const double mean = std::accumulate(logs.begin(), logs.end(), 0.0) / count;
  CHECK(mean == Approx(Quantile(logs, 0.5)).margin(0.03));
  double square = 0;
  double cube = 0;
  for (const double x : logs) {
    square += (x - mean) * (x - mean) / count;
    cube += std::pow(x - mean, 3) / count;
  }
  CHECK(std::sqrt(square) == Approx(0.45).margin(0.03));
  CHECK(std::abs(cube / std::pow(square, 1.5)) < 0.25);
}

TEST_CASE("identifiers are unique and in their usual forms") {
  const Campus campus = MakeCampus({});
  std::set<std::string> seen;
  for (const Aluno& aluno : campus.alunos) {
    REQUIRE(aluno.matricula.size() == 11);
    REQUIRE(aluno.matricula[0] == '1');
    REQUIRE(aluno.nome.size() >= 4);
    seen.insert(aluno.matricula);
  }
  for (const Professor& professor : campus.professores) {
    REQUIRE(professor.siape.size() == 7);
    seen.insert(professor.siape);
  }
  for (const Turma& turma : campus.turmas) {
    REQUIRE(turma.sigla.size() == 6);
    REQUIRE(turma.professor < campus.professores.size());
    seen.insert(turma.sigla);
  }
  CHECK(seen.size() == 20'000 + 1'250 + 2'500);
}

TEST_CASE("identifiers stay unique up to their limits") {
  const auto all_different = [](size_t count, auto name) {
    std::set<std::string> seen;
    for (size_t n = 0; n < count; ++n) seen.insert(name(n));
    return seen.size() == count;
  };
  CHECK(all_different(100'000, Matricula));
  CHECK(all_different(kMostClasses, Sigla));
  CHECK(Matricula(kMostStudents - 1).size() == 11);
}

TEST_CASE("a campus of any size has exactly five wishes per student") {
  for (const auto& [students, classes] :
       {std::pair{8, 5}, {5, 5}, {400, 50}, {3000, 7}, {40, 900}}) {
    CAPTURE(students, classes);
    const Campus campus = MakeCampus({.students = students, .classes = classes});
    int64_t demand = 0;
    for (const Turma& turma : campus.turmas) {
      REQUIRE(turma.demanda >= 0);
      REQUIRE(turma.demanda <= students);
      demand += turma.demanda;
    }
    CHECK(demand == int64_t{students} * kWishesPerStudent);
  }
}

TEST_CASE("the same seed makes the same campus and another one another") {
  const auto print = [](uint64_t seed) {
    std::string all;
    for (const Turma& turma : MakeCampus({.seed = seed, .students = 200, .classes = 30}).turmas) {
      all += turma.sigla + turma.nome + std::to_string(turma.vagas * 1000 + turma.demanda);
    }
    return all;
  };
  CHECK(print(7) == print(7));
  CHECK(print(7) != print(8));
}

}  // namespace
}  // namespace matricula::day
