#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <google/protobuf/message.h>

#include "common/base/status.h"
#include "common/rpc/call.h"
#include "common/rpc/server_options.h"

namespace grpc {
class Server;
class ServerBuilder;
class ServerCompletionQueue;
namespace experimental {
class ExternalConnectionAcceptor;
}
}  // namespace grpc

namespace matricula::rpc {

class Health;
class Listener;
class LoopThread;
class Reflection;
class RegisteredMethod;
class ServerCore;
class UnknownMethod;

// Counters since the start, and what is there now.
struct ServerStats {
  uint64_t calls = 0;          // answered, streams included
  uint64_t refused_calls = 0;  // over a limit
  uint64_t connections = 0;    // accepted
  uint64_t refused_connections = 0;
  uint64_t accept_errors = 0;  // for example: no descriptors left
  uint64_t calls_in_flight = 0;
  uint64_t open_streams = 0;
};

// An asynchronous gRPC server on one completion queue and one thread, which it may share with
// others (loop.h): the fastest arrangement on the small machines that this runs on. Handlers are
// called on that thread and must not block: they parse, check, hand over to whoever does the work,
// and return. Answers may come from any thread.
//
// Life: register all methods, Start, Stop. Methods are named "package.Service/Method"; that their
// types and kind agree with the .proto is checked when they are registered. Methods of the .proto
// that nobody registers answer UNIMPLEMENTED. A request that does not parse is answered with
// INVALID_ARGUMENT and never reaches its handler. grpc.health.v1 is always served.
//
//   server.Unary("project.PortalAdministrativo/NovoAluno", this, &Admin::NovoAluno);
//   void Admin::NovoAluno(project::Aluno& request, const CallContext& context,
//                         Responder<project::Status> responder);
//
// The request belongs to the call: the handler may move from it, and it stays valid until the call
// is answered. The handlers' objects must outlive the server.
class Server {
 public:
  explicit Server(ServerOptions options);
  ~Server();  // as Stop(0)
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // handler(Request&, const CallContext&, Responder<Response>)
  template <class Request, class Response, class Handler>
  void Unary(std::string_view method, Handler handler) {
    AddUnary(Describe<Request, Response>(method),
             [handler = std::move(handler)](google::protobuf::MessageLite& request,
                                            const CallContext& context, UnaryCall* call) mutable {
               handler(static_cast<Request&>(request), context, Responder<Response>(call));
             });
  }
  template <class Self, class Request, class Response>
  void Unary(std::string_view method, Self* self,
             void (Self::*handler)(Request&, const CallContext&, Responder<Response>)) {
    Unary<std::remove_const_t<Request>, Response>(
        method, [self, handler](Request& request, const CallContext& context,
                                Responder<Response> responder) {
          (self->*handler)(request, context, std::move(responder));
        });
  }

  // handler(Request&, const CallContext&, StreamWriter<Response>)
  template <class Request, class Response, class Handler>
  void ServerStream(std::string_view method, Handler handler) {
    AddServerStream(Describe<Request, Response>(method),
                    [handler = std::move(handler)](google::protobuf::MessageLite& request,
                                                   const CallContext& context,
                                                   std::shared_ptr<OutgoingStream> stream) mutable {
                      handler(static_cast<Request&>(request), context,
                              StreamWriter<Response>(std::move(stream)));
                    });
  }
  template <class Self, class Request, class Response>
  void ServerStream(std::string_view method, Self* self,
                    void (Self::*handler)(Request&, const CallContext&, StreamWriter<Response>)) {
    ServerStream<std::remove_const_t<Request>, Response>(
        method, [self, handler](Request& request, const CallContext& context,
                                StreamWriter<Response> writer) {
          (self->*handler)(request, context, std::move(writer));
        });
  }

  // handler(const CallContext&, BidiStream<Request, Response>)
  template <class Request, class Response, class Handler>
  void Bidi(std::string_view method, Handler handler) {
    AddBidi(Describe<Request, Response>(method),
            [handler = std::move(handler)](const CallContext& context,
                                           std::shared_ptr<TwoWayStream> stream) mutable {
              handler(context, BidiStream<Request, Response>(std::move(stream)));
            });
  }
  template <class Self, class Request, class Response>
  void Bidi(std::string_view method, Self* self,
            void (Self::*handler)(const CallContext&, BidiStream<Request, Response>)) {
    Bidi<Request, Response>(
        method, [self, handler](const CallContext& context, BidiStream<Request, Response> stream) {
          (self->*handler)(context, std::move(stream));
        });
  }

  // Binds and serves. Unavailable: the address cannot be had, and why. InvalidArgument: it is no
  // address, or the TLS texts are unusable. Once.
  base::Status Start();
  // The port that Start bound.
  int port() const;

  // What grpc.health.v1 says of "package.Service", or of the whole server (""). Every registered
  // service and "" serve from Start on; after Stop has begun nothing does, and this does nothing.
  void SetServing(std::string_view service, bool serving);

  // Says NOT_SERVING, accepts nobody, ends bidirectional streams with UNAVAILABLE, gives the other
  // calls `grace_ms` to be answered, cancels what is left, and returns when nothing of the server
  // runs any more. Not from a handler. Handles that are still held do nothing from then on.
  // Clients see UNAVAILABLE, or (a call that arrives in the very moment) CANCELLED; what has been
  // answered before arrives.
  void Stop(int64_t grace_ms);

  ServerStats Stats() const;

 private:
  using UnaryHandler =
      absl::AnyInvocable<void(google::protobuf::MessageLite&, const CallContext&, UnaryCall*)>;
  using StreamHandler = absl::AnyInvocable<void(google::protobuf::MessageLite&, const CallContext&,
                                                std::shared_ptr<OutgoingStream>)>;
  using BidiHandler = absl::AnyInvocable<void(const CallContext&, std::shared_ptr<TwoWayStream>)>;

  struct Method {
    std::string_view name;
    const google::protobuf::Message* request;  // prototypes
    const google::protobuf::Message* response;
  };
  template <class Request, class Response>
  static Method Describe(std::string_view name) {
    return {name, &Request::default_instance(), &Response::default_instance()};
  }

  void AddUnary(const Method& method, UnaryHandler handler);
  void AddServerStream(const Method& method, StreamHandler handler);
  void AddBidi(const Method& method, BidiHandler handler);
  base::Status BuildServer();
  void PostSlots();
  void DrainIdleQueue();
  void AddArguments(grpc::ServerBuilder& builder) const;

  std::unique_ptr<LoopThread> own_loop_;  // if it was given none
  std::shared_ptr<ServerCore> core_;
  std::unique_ptr<Health> health_;
  std::unique_ptr<Reflection> reflection_;
  std::vector<std::unique_ptr<RegisteredMethod>> methods_;
  UnknownMethod* unknown_ = nullptr;  // one of them
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::ServerCompletionQueue> idle_queue_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace matricula::rpc
