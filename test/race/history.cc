#include "test/race/history.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace matricula::race {
namespace {

constexpr std::array<std::string_view, 9> kKinds = {"enroll",       "drop",         "edit vagas",
                                                    "delete class", "create class", "delete",
                                                    "free seat of", "create",       "report"};
constexpr std::array<std::string_view, 9> kResults = {
    "ok",       "no seats", "already enrolled", "not enrolled", "no student",
    "no class", "too few",  "exists",           "unknown"};

std::string Argument(const Event& event) {
  switch (event.kind) {
    case Kind::kEnroll:
    case Kind::kDrop:
    case Kind::kDeleteStudent:
    case Kind::kFreeSeat:
    case Kind::kCreateStudent:
      return fmt::format(" student {}", event.student);
    case Kind::kEditVagas:
    case Kind::kCreateClass:
      return fmt::format(" {}", event.vagas);
    default:
      return "";
  }
}

}  // namespace

std::string Describe(const Event& event) {
  std::string text =
      fmt::format("[{} .. {}] {}{}: ", event.start_ns / 1000,
                  event.end_ns == kNever ? "never" : std::to_string(event.end_ns / 1000),
                  kKinds[static_cast<size_t>(event.kind)], Argument(event));
  if (event.kind != Kind::kReport)
    return text + std::string(kResults[static_cast<size_t>(event.result)]);
  if (!event.exists) return text + "no class";
  text += fmt::format("{} of {}:", event.roster.count(), event.vagas);
  for (size_t student = 0; student < kMostStudents; ++student) {
    if (event.roster[student]) text += fmt::format(" {}", student);
  }
  return text;
}

}  // namespace matricula::race
