#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/domain/cursor.h"
#include "common/rpc/call.h"

// What the services of both portals do with a call.
namespace matricula::roles {

// The client's own name for this request (empty: none): metadata "x-request-id".
inline std::string RequestId(const rpc::CallContext& context) {
  return std::string(context.Metadata("x-request-id").value_or(""));
}

// Answers a unary call with what the domain answers.
template <class T>
base::Done<T> Answering(rpc::Responder<T> responder) {
  return [responder = std::move(responder)](base::Result<T> result) mutable {
    responder.Finish(result);
  };
}

// Streams all pages of a cursor, each fetched when the one before it has been written, so that a
// slow reader costs one page of memory.
template <class T>
void StreamPages(std::shared_ptr<domain::Cursor<T>> cursor, rpc::StreamWriter<T> writer) {
  auto& pages = *cursor;
  pages.NextPage([cursor = std::move(cursor), writer](base::Result<std::vector<T>> page) mutable {
    if (!page.ok()) return writer.Fail(page.status());
    if (page->empty()) return writer.Finish();
    writer.Write(*page, [cursor = std::move(cursor), writer]() mutable {
      StreamPages(std::move(cursor), std::move(writer));
    });
  });
}

}  // namespace matricula::roles
