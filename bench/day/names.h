#pragma once

#include <cstddef>
#include <string>

#include "bench/day/random.h"

// Identifiers and names for people and classes that do not exist, in the forms that Brazilian
// universities use. The n-th identifier is always the same, and no two are equal.
namespace matricula::day {

// How many of each there can be.
inline constexpr size_t kMostStudents = 1'000'000;
inline constexpr size_t kMostTeachers = 1'000'000;
inline constexpr size_t kMostClasses = 40'000;

// For example "11921BSI209": campus 1, year 19, semester 2, entrance 1, course BSI, number 209.
std::string Matricula(size_t n);
// For example "1524001".
std::string Siape(size_t n);
// For example "GSI010".
std::string Sigla(size_t n);

std::string PersonName(Random& random);
// For example "Cálculo Numérico II".
std::string ClassName(Random& random);

}  // namespace matricula::day
