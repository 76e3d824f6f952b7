#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/status.h"
#include "common/domain/txn.h"
#include "matricula.pb.h"

namespace matricula::domain {

// A client's own request id, with the operation that it stands for. The id is written together
// with the effect; finding it again means that the effect has been had.
struct Pedido {
  std::string id;  // empty: the client gave none
  std::string op;  // canonical: the same text for the same request, and for no other

  bool given() const { return !id.empty(); }
  int count() const { return given() ? 1 : 0; }
};

// `name` and the arguments, each encoded so that none can be taken for two.
Pedido MakePedido(std::string id, std::string_view name,
                  std::initializer_list<std::string_view> arguments);

// What a stored record (null: none) says about this request: nothing, so it is to be judged; or the
// answer, because it has been done or its id belongs to another operation.
base::Result<std::optional<project::Status>> JudgePedido(const mvccpb::KeyValue* stored,
                                                         std::string_view op);

// For writes of one request: compares that the id is new and writes it. Nothing without an id.
void AddPedido(etcdserverpb::TxnRequest& txn, const Pedido& pedido, int64_t lease_id);
// Reads the id's record. Without an id, `mudanca` in its place, so that the answers after it stand
// where they always stand.
void AddPedidoGet(Operations* operations, const Pedido& pedido);
// Judges the answer to AddPedidoGet at `index`.
base::Result<std::optional<project::Status>> JudgePedidoAt(
    const etcdserverpb::TxnResponse& response, int index, const Pedido& pedido);

}  // namespace matricula::domain
