#include "bench/day/names.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "common/base/ensure.h"

namespace matricula::day {
namespace {

using std::string_view;

constexpr std::array<string_view, 40> kCourses = {
    "BSI", "BCC", "ADM", "ADP", "AGR", "ARQ", "ART", "BIO", "BIT", "CBI",
    "CCT", "CSO", "DAN", "DIR", "ECO", "EDF", "EEL", "EMC", "EMT", "ENF",
    "EQU", "ECV", "FIL", "FIS", "FSM", "GEO", "GIN", "HIS", "JOR", "LET",
    "MAT", "MED", "MUS", "MVT", "NUT", "ODO", "PED", "PSI", "QUI", "ZOO"};
constexpr std::array<string_view, 40> kDepartments = {
    "GSI", "GBC", "FAG", "GEA", "ICI", "FAU", "IAR", "INB", "GBT", "FCB",
    "GCC", "INC", "GDA", "FAD", "IEE", "FAE", "FEE", "FMC", "FMT", "FEN",
    "FEQ", "FEC", "IFI", "INF", "GFS", "IGG", "GGI", "INH", "GJO", "ILE",
    "FMA", "FAM", "GMU", "FMV", "GNU", "FOU", "FED", "IPU", "IQU", "GZO"};
constexpr std::array<string_view, 32> kFirstNames = {
    "Ana",    "Antônio", "Beatriz",  "Bruno",   "Camila", "Carlos",  "Cecília", "Daniel",
    "Débora", "Eduardo", "Fernanda", "Gabriel", "Helena", "Hugo",    "Inês",    "João",
    "Júlia",  "Larissa", "Lucas",    "Luísa",   "Marcos", "Mariana", "Mateus",  "Nádia",
    "Otávio", "Paula",   "Pedro",    "Rafael",  "Renata", "Sofia",   "Tiago",   "Vitória"};
constexpr std::array<string_view, 32> kSurnames = {
    "Almeida", "Alves",   "Araújo",  "Barbosa",   "Borges",   "Cardoso", "Carvalho", "Castro",
    "Costa",   "Dias",    "Duarte",  "Fernandes", "Ferreira", "Freitas", "Gomes",    "Lima",
    "Lopes",   "Machado", "Martins", "Melo",      "Mendes",   "Moreira", "Nunes",    "Oliveira",
    "Pereira", "Ramos",   "Ribeiro", "Rocha",     "Santos",   "Silva",   "Souza",    "Teixeira"};
constexpr std::array<string_view, 24> kSubjects = {
    "Álgebra",   "Algoritmos",  "Anatomia",   "Cálculo",   "Direito",  "Ecologia",
    "Economia",  "Estatística", "Ética",      "Filosofia", "Física",   "Genética",
    "Geografia", "História",    "Literatura", "Lógica",    "Mecânica", "Metodologia",
    "Óptica",    "Pedagogia",   "Psicologia", "Química",   "Redes",    "Sociologia"};
constexpr std::array<string_view, 16> kAspects = {
    "Aplicada",  "Avançada",    "Básica",      "Brasileira",   "Comparada", "Contemporânea",
    "Criativa",  "do Trabalho", "e Sociedade", "Experimental", "Geral",     "Histórica",
    "Integrada", "Moderna",     "Numérica",    "Teórica"};
constexpr std::array<string_view, 4> kLevels = {"", " I", " II", " III"};

template <size_t n>
string_view Pick(const std::array<string_view, n>& items, Random& random) {
  return items[random.Below(n)];
}

}  // namespace

std::string Matricula(size_t n) {
  ENSURE(n < kMostStudents, "more students than matriculas");
  const string_view course = kCourses[n % kCourses.size()];
  n /= kCourses.size();
  // Sixteen entrances, two a year.
  const size_t year = 17 + n % 16 / 2;
  const size_t semester = 1 + n % 2;
  n /= 16;
  const size_t number = 200 + n % 800;
  const size_t entrance = 1 + n / 800;
  return fmt::format("1{:02}{}{}{}{:03}", year, semester, entrance, course, number);
}

std::string Siape(size_t n) {
  ENSURE(n < kMostTeachers, "more teachers than SIAPE numbers");
  return fmt::format("{}", 1'524'001 + n);
}

std::string Sigla(size_t n) {
  ENSURE(n < kMostClasses, "more classes than siglas");
  const string_view department = kDepartments[n % kDepartments.size()];
  return fmt::format("{}{:03}", department, n / kDepartments.size());
}

std::string PersonName(Random& random) {
  const string_view first = Pick(kFirstNames, random);
  const string_view middle = Pick(kSurnames, random);
  return fmt::format("{} {} {}", first, middle, Pick(kSurnames, random));
}

std::string ClassName(Random& random) {
  const string_view subject = Pick(kSubjects, random);
  const string_view aspect = Pick(kAspects, random);
  return fmt::format("{} {}{}", subject, aspect, Pick(kLevels, random));
}

}  // namespace matricula::day
