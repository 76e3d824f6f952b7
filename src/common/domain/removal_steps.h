#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/domain/records.h"
#include "common/domain/removal.h"
#include "common/domain/txn.h"

// The pieces that a removal is made of, whole or in steps.
namespace matricula::domain {

// The keys that hang on a record: the classes of a person, the roster of a discipline.
std::string DependentsPrefix(const Kind& kind, std::string_view id);

// A person's class, from the key in the reverse index.
base::Result<std::string> TurmaOfDependent(const Kind& kind, std::string_view key);

// One class that a person is to leave, as it was read.
struct TurmaState {
  int64_t revision = 0;        // of the class's key; 0: there is none (any more)
  std::optional<Turma> turma;  // absent likewise
  bool member = false;         // the person is enrolled in it, or in its index
};

inline constexpr int kReadsPerTurma = 2;
void AddTurmaReads(Operations* operations, const Kind& kind, std::string_view id,
                   std::string_view sigla, int64_t revision);
base::Result<TurmaState> ReadTurmaState(const etcdserverpb::TxnResponse& response, int first);

// Compares that the class is as it was read, and takes the person out of it; the index entry is
// the caller's.
void AddLeave(etcdserverpb::TxnRequest& txn, const Kind& kind, std::string_view id,
              std::string_view sigla, const TurmaState& state);

}  // namespace matricula::domain
