#include "bench/day/plan.h"

#include <algorithm>

#include "bench/day/random.h"

namespace matricula::day {
namespace {

constexpr int kSwapTries = 200;

using Cards = std::vector<uint32_t>;

// The first card of the hand that `card` lies in.
size_t HandOf(size_t card) { return card / kWishesPerStudent * kWishesPerStudent; }

bool InHand(const Cards& cards, size_t hand, uint32_t turma, size_t except) {
  for (size_t i = hand; i < hand + kWishesPerStudent; ++i) {
    if (i != except && cards[i] == turma) return true;
  }
  return false;
}

// Gets rid of a card that its hand has twice: exchanged with a card of another hand if both hands
// are then better, else for a new one.
void ReplaceRepeated(Cards& cards, size_t card, size_t classes, Random& random) {
  const size_t hand = HandOf(card);
  for (int tries = 0; tries < kSwapTries; ++tries) {
    const size_t other = random.Below(cards.size());
    if (!InHand(cards, hand, cards[other], card) &&
        !InHand(cards, HandOf(other), cards[card], other)) {
      std::swap(cards[card], cards[other]);
      return;
    }
  }
  while (InHand(cards, hand, cards[card], card)) {
    cards[card] = static_cast<uint32_t>(random.Below(classes));
  }
}

// One card per seat wished for, shuffled, and dealt in hands of five.
Cards DealWishes(const Campus& campus, Random& random) {
  Cards cards;
  for (uint32_t turma = 0; turma < campus.turmas.size(); ++turma) {
    cards.insert(cards.end(), campus.turmas[turma].demanda, turma);
  }
  random.Shuffle(cards);
  for (size_t card = 0; card < cards.size(); ++card) {
    if (InHand(cards, HandOf(card), cards[card], card)) {
      ReplaceRepeated(cards, card, campus.turmas.size(), random);
    }
  }
  return cards;
}

int64_t ArrivalMs(int64_t window_ms, Random& random) {
  if (!random.Chance(kRushShare)) return static_cast<int64_t>(random.Below(window_ms));
  return std::min<int64_t>(static_cast<int64_t>(random.Exponential(kRushMeanMs)), window_ms);
}

int32_t DrawPatience(Random& random) {
  if (!random.Chance(kTimeoutShare)) return 0;
  return static_cast<int32_t>(kShortestPatienceUs +
                              random.Below(kLongestPatienceUs - kShortestPatienceUs));
}

Wish MakeWish(uint32_t aluno, uint32_t turma, int64_t at_ms, Random& random) {
  Wish wish{.aluno = aluno, .turma = turma, .at_ms = at_ms};
  wish.duplicate = random.Chance(kDuplicateShare);
  // A repeat with the same id is only predictable while the pair has no other request.
  if (!wish.duplicate) wish.patience_us = DrawPatience(random);
  if (random.Chance(kDropShare)) {
    wish.drop_after_ms = static_cast<int64_t>(random.Exponential(kDropMeanMs));
    wish.drop_patience_us = DrawPatience(random);
  }
  return wish;
}

}  // namespace

Plan MakePlan(const Campus& campus, const PlanOptions& options) {
  Random random(options.seed ^ 0x64'69'61);  // another sequence than the campus's own
  Plan plan{.window_ms = options.window_ms, .wishes = {}};
  const Cards cards = DealWishes(campus, random);
  plan.wishes.reserve(cards.size());
  for (uint32_t aluno = 0; aluno < campus.alunos.size(); ++aluno) {
    int64_t at_ms = ArrivalMs(options.window_ms, random);
    for (int order = 0; order < kWishesPerStudent; ++order) {
      const uint32_t turma = cards[size_t{aluno} * kWishesPerStudent + order];
      plan.wishes.push_back(MakeWish(aluno, turma, at_ms, random));
      at_ms += static_cast<int64_t>(random.Exponential(kThinkMeanMs));
    }
  }
  return plan;
}

}  // namespace matricula::day
