#pragma once

#include <cstdint>
#include <string_view>

namespace matricula::base {

// Spreads every bit of a number over all bits; a bijection.
uint64_t Mix64(uint64_t value);

// A fast hash of bytes, the same on every machine and in every version of this program, so that
// replicas may compare it and disks keep it. Against accidents (two inputs collide with a chance of
// about 2^-64), not against somebody who looks for collisions. Hashes of pieces are chained by
// `seed`.
uint64_t Hash64(uint64_t seed, std::string_view bytes);

}  // namespace matricula::base
