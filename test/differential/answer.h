#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "etcd_rpc.pb.h"

namespace matricula::differential {

// What a server said to one request, as text that must be the same on both sides: the code and the
// message of an error, or the response without what differs between any two servers.
std::string Render(const grpc::Status& status, google::protobuf::Message& response);

// Blanks out the ids and the term of headers, sorts what has no order, hides what depends on time.
void Mask(google::protobuf::Message& response);

// One event as text.
std::string Render(const mvccpb::Event& event);

}  // namespace matricula::differential
