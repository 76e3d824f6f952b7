#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace matricula::day {

struct Aluno {
  std::string matricula;
  std::string nome;
};

struct Professor {
  std::string siape;
  std::string nome;
};

struct Turma {
  std::string sigla;
  std::string nome;
  int32_t vagas = 0;
  int32_t demanda = 0;     // how many students wish for it
  uint32_t professor = 0;  // index into Campus::professores
};

struct Campus {
  std::vector<Aluno> alunos;
  std::vector<Professor> professores;
  std::vector<Turma> turmas;
};

inline constexpr int kWishesPerStudent = 5;
inline constexpr int kFewestClasses = kWishesPerStudent;
inline constexpr int kClassesPerTeacher = 2;

struct CampusOptions {
  uint64_t seed = 1;
  int students = 20'000;
  int classes = 2'500;  // at least kFewestClasses
};

// A university, the same one for the same options. What its classes look like: offers.h.
Campus MakeCampus(const CampusOptions& options);

}  // namespace matricula::day
