#include "test/race/linearizer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <random>

namespace matricula::race {
namespace {

ClassModel ClassOf(int32_t vagas) {
  ClassModel model;
  model.exists = true;
  model.vagas = vagas;
  model.enrolled_at_school.set();
  return model;
}

Event At(int64_t start, int64_t end, Kind kind, Result result, uint32_t student = 0,
         int32_t vagas = 0) {
  Event event;
  event.kind = kind;
  event.result = result;
  event.student = student;
  event.vagas = vagas;
  event.start_ns = start;
  event.end_ns = end;
  return event;
}

Event Report(int64_t start, int64_t end, int32_t vagas, const std::vector<uint32_t>& students) {
  Event event = At(start, end, Kind::kReport, Result::kOk, 0, vagas);
  event.exists = true;
  for (const uint32_t student : students) event.roster.set(student);
  return event;
}

Verdict Judge(const History& history, int32_t vagas = 1) {
  return Linearizer(history, ClassOf(vagas)).Check();
}

constexpr auto kEnroll = Kind::kEnroll;
constexpr auto kDrop = Kind::kDrop;
constexpr auto kOk = Result::kOk;

TEST_CASE("two students cannot both have the last seat") {
  CHECK(Judge({At(0, 9, kEnroll, kOk, 1), At(0, 9, kEnroll, Result::kSemVagas, 2)}) ==
        Verdict::kYes);
  CHECK(Judge({At(0, 9, kEnroll, kOk, 1), At(0, 9, kEnroll, kOk, 2)}) == Verdict::kNo);
  CHECK(Judge({At(0, 9, kEnroll, kOk, 1), At(0, 9, kEnroll, kOk, 2), At(1, 8, kDrop, kOk, 1)}) ==
        Verdict::kYes);
}

TEST_CASE("a refusal needs its reason while it is under way") {
  CHECK(Judge({At(0, 1, kEnroll, Result::kSemVagas, 1)}) == Verdict::kNo);
  CHECK(Judge({At(0, 1, kEnroll, Result::kJaMatriculado, 1)}) == Verdict::kNo);
  CHECK(Judge({At(0, 1, kEnroll, kOk, 1), At(2, 3, kEnroll, Result::kJaMatriculado, 1)}) ==
        Verdict::kYes);
  CHECK(Judge({At(0, 1, kEnroll, kOk, 1), At(2, 3, kDrop, kOk, 1),
               At(4, 5, kEnroll, Result::kSemVagas, 2)}) == Verdict::kNo);
  CHECK(Judge({At(0, 1, kEnroll, kOk, 1), At(2, 4, kDrop, kOk, 1),
               At(3, 5, kEnroll, Result::kSemVagas, 2)}) == Verdict::kYes);
  CHECK(Judge({At(0, 1, kDrop, Result::kNaoMatriculado, 1)}) == Verdict::kYes);
}

TEST_CASE("a report shows what was acknowledged before it, and nothing that was not") {
  CHECK(Judge({At(0, 1, kEnroll, kOk, 1), Report(2, 3, 1, {1})}) == Verdict::kYes);
  CHECK(Judge({At(0, 1, kEnroll, kOk, 1), Report(2, 3, 1, {})}) == Verdict::kNo);
  CHECK(Judge({At(0, 2, kEnroll, kOk, 1), Report(1, 3, 1, {})}) == Verdict::kYes);
  CHECK(Judge({Report(0, 1, 1, {7})}) == Verdict::kNo);
  CHECK(Judge({Report(0, 1, 2, {})}) == Verdict::kNo);
}

TEST_CASE("two reports must agree on one order") {
  const Event one = At(0, 9, kEnroll, kOk, 1);
  const Event two = At(0, 9, kEnroll, kOk, 2);
  CHECK(Judge({one, two, Report(1, 2, 2, {1}), Report(3, 4, 2, {1, 2})}, 2) == Verdict::kYes);
  CHECK(Judge({one, two, Report(1, 2, 2, {1}), Report(3, 4, 2, {2})}, 2) == Verdict::kNo);
}

TEST_CASE("deleting and creating, students and the class") {
  Event gone = At(2, 3, Kind::kReport, kOk);
  CHECK(Judge({At(0, 1, Kind::kDeleteClass, kOk), gone}) == Verdict::kYes);
  CHECK(Judge({gone}) == Verdict::kNo);
  CHECK(Judge({At(0, 1, kEnroll, kOk, 1), At(2, 3, Kind::kDeleteClass, kOk),
               At(4, 5, Kind::kCreateClass, kOk, 0, 3), Report(6, 7, 3, {})}) == Verdict::kYes);
  CHECK(Judge({At(0, 1, kEnroll, kOk, 1), At(2, 3, Kind::kDeleteStudent, kOk, 1),
               Report(4, 5, 1, {1})}) == Verdict::kNo);
  CHECK(Judge({At(0, 1, kEnroll, kOk, 1), At(2, 3, Kind::kDeleteStudent, kOk, 1),
               At(2, 3, Kind::kFreeSeat, kOk, 1), At(4, 5, kEnroll, kOk, 2),
               At(6, 7, kEnroll, Result::kSemAluno, 1)}) == Verdict::kYes);
  CHECK(Judge({At(0, 1, Kind::kCreateStudent, kOk, 1)}) == Verdict::kNo);
  CHECK(Judge({At(0, 1, Kind::kCreateStudent, Result::kExiste, 1)}) == Verdict::kYes);
}

TEST_CASE("a removed student's seat comes free before the removal is over") {
  const Event enroll = At(0, 1, kEnroll, kOk, 1);
  const Event gone = At(2, 9, Kind::kDeleteStudent, kOk, 1);
  const Event seat = At(2, 9, Kind::kFreeSeat, kOk, 1);
  const auto full = [](int64_t start) {
    return At(start, start + 1, kEnroll, Result::kSemVagas, 2);
  };
  CHECK(Judge({enroll, gone, seat, Report(3, 4, 1, {}), full(5)}) == Verdict::kYes);
  CHECK(Judge({enroll, gone, seat, Report(3, 4, 1, {}), full(10)}) == Verdict::kNo);
  CHECK(Judge({enroll, gone, seat, At(3, 4, kEnroll, kOk, 2)}) == Verdict::kYes);
}

TEST_CASE("vagas may not fall below the seats taken") {
  const Event enroll = At(0, 1, kEnroll, kOk, 1);
  const Event other = At(0, 1, kEnroll, kOk, 2);
  CHECK(Judge({enroll, other, At(2, 3, Kind::kEditVagas, Result::kVagasAbaixo, 0, 1)}, 2) ==
        Verdict::kYes);
  CHECK(Judge({enroll, other, At(2, 3, Kind::kEditVagas, kOk, 0, 1)}, 2) == Verdict::kNo);
  CHECK(Judge({enroll, At(2, 3, Kind::kEditVagas, Result::kVagasAbaixo, 0, 1)}, 2) == Verdict::kNo);
}

TEST_CASE("an unknown outcome may be either, at any time since") {
  const Event unknown = At(0, kNever, kEnroll, Result::kUnknown, 1);
  CHECK(Judge({unknown, Report(1, 2, 1, {})}) == Verdict::kYes);
  CHECK(Judge({unknown, Report(1, 2, 1, {1})}) == Verdict::kYes);
  CHECK(Judge({unknown, Report(1, 2, 1, {}), Report(3, 4, 1, {1})}) == Verdict::kYes);
  CHECK(Judge({unknown, Report(1, 2, 1, {1}), Report(3, 4, 1, {})}) == Verdict::kNo);
  CHECK(Judge({At(3, kNever, kEnroll, Result::kUnknown, 1), Report(1, 2, 1, {1})}) == Verdict::kNo);
}

// The obvious way, for few events: every order that respects the times.
bool Possible(const History& history, const ClassModel& initial) {
  std::vector<size_t> order(history.size());
  std::iota(order.begin(), order.end(), size_t{0});
  do {
    ClassModel model = initial;
    bool fits = true;
    for (size_t i = 0; fits && i < order.size(); ++i) {
      const Event& event = history[order[i]];
      for (size_t j = i + 1; j < order.size(); ++j) {
        fits = fits && history[order[j]].end_ns >= event.start_ns &&
               !IsSeatOf(event, history[order[j]]);
      }
      fits = fits && model.Allows(event);
      model.Apply(event);
    }
    if (fits) return true;
  } while (std::next_permutation(order.begin(), order.end()));
  return false;
}

// What the model answers to a request, made an event.
Event Answered(const ClassModel& model, Event event) {
  for (const Result result :
       {Result::kOk, Result::kSemVagas, Result::kJaMatriculado, Result::kNaoMatriculado,
        Result::kSemAluno, Result::kSemDisciplina, Result::kVagasAbaixo, Result::kExiste}) {
    event.result = result;
    if (event.kind != Kind::kReport && model.Allows(event)) return event;
  }
  event.result = Result::kOk;
  event.exists = model.exists;
  event.vagas = model.vagas;
  event.roster = model.exists ? model.roster : Students();
  return event;
}

// A truthful history of `count` random requests, each of which waits up to `queue` ticks before it
// takes effect and up to `answer` ticks after.
History RandomHistory(std::mt19937& random, ClassModel model, int count, int queue, int answer,
                      uint32_t students) {
  History history;
  for (int tick = 0; static_cast<int>(history.size()) < count; ++tick) {
    // Of a thousand requests; a few delete the class, and soon somebody makes it again.
    constexpr std::pair<Kind, int> kMix[] = {{kEnroll, 580},
                                             {kDrop, 160},
                                             {Kind::kReport, 120},
                                             {Kind::kEditVagas, 40},
                                             {Kind::kDeleteStudent, 40},
                                             {Kind::kCreateStudent, 40},
                                             {Kind::kDeleteClass, 5},
                                             {Kind::kCreateClass, 15}};
    Event event;
    int left = static_cast<int>(random() % 1000);
    event.kind = std::find_if(std::begin(kMix), std::end(kMix), [&left](const auto& share) {
                   return (left -= share.second) < 0;
                 })->first;
    event.student = random() % students;
    event.vagas = static_cast<int32_t>(1 + random() % students);
    event = Answered(model, event);
    model.Apply(event);
    // The tick lies somewhere in the middle of the request.
    event.start_ns = tick * 10 - static_cast<int64_t>(random() % (queue * 10));
    event.end_ns = tick * 10 + static_cast<int64_t>(random() % (answer * 10));
    history.push_back(event);
    if (event.kind == Kind::kDeleteStudent && !IsRead(event)) {
      event.kind = Kind::kFreeSeat;
      model.Apply(event);
      history.push_back(event);
    }
  }
  std::shuffle(history.begin(), history.end(), random);
  return history;
}

TEST_CASE("small random histories are judged as by trying every order") {
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  int impossible = 0;
  for (int round = 0; round < 400; ++round) {
    History history = RandomHistory(random, ClassOf(2), 6, 4, 4, 3);
    Event& changed = history[random() % history.size()];
    switch (random() % 4) {
      case 0:
        changed.result = static_cast<Result>(random() % 8);
        break;
      case 1:
        if (changed.kind == Kind::kReport) changed.roster.flip(random() % 3);
        break;
      case 2:
        changed.student = random() % 3;
        break;
      default:
        break;
    }
    const bool possible = Possible(history, ClassOf(2));
    impossible += !possible;
    CAPTURE(round);
    REQUIRE(Judge(history, 2) == (possible ? Verdict::kYes : Verdict::kNo));
  }
  CHECK(impossible > 20);
  CHECK(impossible < 380);
}

TEST_CASE("long truthful histories of many clients are recognised, nearly all in few steps") {
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  int undecided = 0;
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    const History history = RandomHistory(random, ClassOf(60), 1'000, 64, 8, 128);
    const Verdict verdict = Linearizer(history, ClassOf(60)).Check(20'000);
    REQUIRE(verdict != Verdict::kNo);
    undecided += verdict == Verdict::kUndecided;
  }
  CHECK(undecided <= 10);
}

TEST_CASE("an undecided search goes on where it was") {
  std::mt19937 random(4);
  int hard = 0;
  for (int round = 0; round < 20; ++round) {
    const History history = RandomHistory(random, ClassOf(60), 1'000, 64, 8, 128);
    Linearizer whole(history, ClassOf(60));
    if (whole.Check(100'000) == Verdict::kUndecided) continue;
    Linearizer parts(history, ClassOf(60));
    if (parts.Check(1) == Verdict::kUndecided) ++hard;
    while (parts.steps() < whole.steps() && parts.Check(1) == Verdict::kUndecided) {
    }
    CHECK(parts.steps() == whole.steps());
  }
  CHECK(hard > 0);
}

TEST_CASE("a lie in a long history is found, and told where") {
  std::mt19937 random(4);
  History history = RandomHistory(random, ClassOf(60), 400, 64, 8, 128);
  for (Event& event : history) {
    if (event.kind == Kind::kReport && event.exists && event.roster.any()) {
      event.roster.flip(event.roster._Find_first());
    }
  }
  Linearizer linearizer(history, ClassOf(60));
  CHECK(linearizer.Check(10'000) != Verdict::kYes);
  CHECK(linearizer.Explain().find("events fit") != std::string::npos);
}

}  // namespace
}  // namespace matricula::race
