#pragma once

#include <grpcpp/generic/async_generic_service.h>

#include "common/rpc/server_core.h"

namespace matricula::rpc {

// All methods that nobody has registered: answers UNIMPLEMENTED. gRPC would do so by itself, but
// only on queues that it has made for the server.
class UnknownMethod final : public RegisteredMethod {
 public:
  UnknownMethod() : RegisteredMethod("") {}

  grpc::AsyncGenericService& service() { return service_; }

  void PostSlot(ServerCore& core) override;
  void Release() override {}

 private:
  grpc::AsyncGenericService service_;
};

}  // namespace matricula::rpc
