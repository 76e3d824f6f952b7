#include "common/domain/pedido.h"

#include <utility>

#include "common/domain/keys.h"
#include "common/domain/records.h"
#include "common/domain/rules.h"

namespace matricula::domain {

Pedido MakePedido(std::string id, std::string_view name,
                  std::initializer_list<std::string_view> arguments) {
  Pedido pedido;
  if (id.empty()) return pedido;
  pedido.id = std::move(id);
  pedido.op = name;
  for (const std::string_view argument : arguments) {
    pedido.op += '/';
    AppendEncodedId(pedido.op, argument);
  }
  return pedido;
}

base::Result<std::optional<project::Status>> JudgePedido(const mvccpb::KeyValue* stored,
                                                         std::string_view op) {
  if (stored == nullptr) return std::optional<project::Status>();
  const auto done = DecodePedido(stored->value());
  if (!done.ok()) return AboutKey(done.status(), stored->key());
  return std::optional(*done == op ? Feito() : Recusa(recusa::kPedidoDeOutraOperacao));
}

void AddPedido(etcdserverpb::TxnRequest& txn, const Pedido& pedido, int64_t lease_id) {
  if (!pedido.given()) return;
  RequireAbsent(txn, PedidoKey(pedido.id));
  AddPut(txn.mutable_success(), PedidoKey(pedido.id), EncodePedido(pedido.op), lease_id);
}

void AddPedidoGet(Operations* operations, const Pedido& pedido) {
  AddGet(operations, pedido.given() ? PedidoKey(pedido.id) : std::string(kMudancaKey));
}

base::Result<std::optional<project::Status>> JudgePedidoAt(
    const etcdserverpb::TxnResponse& response, int index, const Pedido& pedido) {
  return JudgePedido(pedido.given() ? PairAt(response, index) : nullptr, pedido.op);
}

}  // namespace matricula::domain
