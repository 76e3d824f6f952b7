#pragma once

#include <string>
#include <vector>

#include "common/rpc/call.h"
#include "reflection.pb.h"

namespace matricula::rpc {

class Server;

// Tells clients what can be called, from the descriptors that are compiled in. On our own thread:
// gRPC's implementation would bring threads of its own.
class Reflection {
 public:
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;

  void RegisterOn(Server& server);
  // The services that there are, "package.Service".
  void SetServices(std::vector<std::string> services) { services_ = std::move(services); }

  Response Answer(const Request& request) const;

 private:
  void Serve(const CallContext& context, BidiStream<Request, Response> stream);
  void ReadNext(BidiStream<Request, Response> stream) const;

  std::vector<std::string> services_;
};

}  // namespace matricula::rpc
