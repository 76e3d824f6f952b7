#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include "roles/ctl/portal_client.h"

namespace matricula::ctl {

struct ImportColumn {
  std::string_view name;
  std::string_view alias;  // another name that a header may give it; empty: none
};

// One kind of CSV file: its columns are the fields of one request message, in their order.
struct ImportKind {
  using Answer = grpc::ClientAsyncResponseReader<project::Status>;

  std::string_view name;  // also how the file's name begins: alunos.csv, alunos-2026.csv
  std::vector<ImportColumn> columns;
  size_t key_columns;  // two lines with the same first fields are one record given twice
  std::unique_ptr<google::protobuf::Message> (*new_request)();
  // Why a server with default settings would refuse the request without looking at its data.
  std::optional<std::string> (*check)(const google::protobuf::Message& request);
  // Begins the call that puts one line into the system.
  std::unique_ptr<Answer> (*start)(PortalClient& client, grpc::ClientContext* context,
                                   const google::protobuf::Message& request,
                                   grpc::CompletionQueue* queue);
};

// In the order in which they must go in: whoever is enrolled has to exist.
std::span<const ImportKind> ImportKinds();

// Null: there is none of that name.
const ImportKind* FindKind(std::string_view name);
// By the file's name, whatever its folder and ending.
const ImportKind* FindKindOfFile(std::string_view path);

}  // namespace matricula::ctl
