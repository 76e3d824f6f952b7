#pragma once

#include <cstdint>
#include <string_view>

// What the relay keeps in the store and says on the bus about itself.
namespace matricula::sync {

// {"rev": N}: every change up to revision N has been told.
inline constexpr std::string_view kCursorKey = "relay/cursor";
// Held under a lease by the one server that relays, where the store has no replica of ours.
inline constexpr std::string_view kRelayOwnerKey = "relay/dono";

// All keys of the domain, `mudanca` included, lie in [kDomainBegin, kDomainEnd); so do pedido/ and
// remocao/, which are passed over, and the relay's own, which say nothing either.
inline constexpr std::string_view kDomainBegin = "aluno";
inline constexpr std::string_view kDomainEnd = "turma0";

// Properties of every message of the relay. `rev` is the revision of the change, `prev` that of the
// last one relayed before it, `part` says which of how many messages of this revision it is
// ("1/2").
inline constexpr std::string_view kClusterProperty = "cluster";
inline constexpr std::string_view kRevProperty = "rev";
inline constexpr std::string_view kPrevProperty = "prev";
inline constexpr std::string_view kPartProperty = "part";

}  // namespace matricula::sync
