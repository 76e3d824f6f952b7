#pragma once

#include <deque>
#include <string>

#include <grpcpp/completion_queue.h>
#include <grpcpp/impl/rpc_method.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

namespace matricula::rpc {

// The methods of one server as gRPC sees them. Generated services derive from grpc::Service in the
// same way, one class per .proto service; this one takes methods by name and messages as bytes, so
// that one kind of call serves all of them, and what nobody registered stays UNIMPLEMENTED.
class MethodTable final : public grpc::Service {
 public:
  using Type = grpc::internal::RpcMethod::RpcType;

  // `name` is "package.Service/Method". Returns the method's index.
  int Add(std::string_view name, Type type) {
    const std::string& path = paths_.emplace_back("/" + std::string(name));
    AddMethod(new grpc::internal::RpcServiceMethod(path.c_str(), type, nullptr));
    const int index = static_cast<int>(paths_.size()) - 1;
    MarkMethodAsync(index);
    return index;
  }

  // Waits for the next call of a method: `tag` comes back when there is one.
  void RequestUnary(int index, grpc::ServerContext* context, grpc::ByteBuffer* request,
                    grpc::internal::ServerAsyncStreamingInterface* stream,
                    grpc::ServerCompletionQueue* queue, void* tag) {
    RequestAsyncUnary(index, context, request, stream, queue, queue, tag);
  }
  void RequestServerStream(int index, grpc::ServerContext* context, grpc::ByteBuffer* request,
                           grpc::internal::ServerAsyncStreamingInterface* stream,
                           grpc::ServerCompletionQueue* queue, void* tag) {
    RequestAsyncServerStreaming(index, context, request, stream, queue, queue, tag);
  }
  void RequestBidi(int index, grpc::ServerContext* context,
                   grpc::internal::ServerAsyncStreamingInterface* stream,
                   grpc::ServerCompletionQueue* queue, void* tag) {
    RequestAsyncBidiStreaming(index, context, stream, queue, queue, tag);
  }

 private:
  std::deque<std::string> paths_;  // gRPC keeps pointers to the names
};

}  // namespace matricula::rpc
