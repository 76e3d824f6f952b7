#include "test/differential/answer.h"

#include <algorithm>

namespace matricula::differential {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// What may have passed of a lease's time during a run.
constexpr int64_t kLongestRunS = 36'000;

void MaskHeader(etcdserverpb::ResponseHeader& header) {
  header.clear_cluster_id();
  header.clear_member_id();
  header.clear_raft_term();
}

void MaskHeaders(Message& message) {
  if (auto* header = dynamic_cast<etcdserverpb::ResponseHeader*>(&message)) {
    MaskHeader(*header);
    return;
  }
  const auto* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      continue;
    }
    if (!field->is_repeated()) {
      MaskHeaders(*reflection->MutableMessage(&message, field));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      MaskHeaders(*reflection->MutableRepeatedMessage(&message, field, i));
    }
  }
}

}  // namespace

void Mask(Message& response) {
  MaskHeaders(response);
  if (auto* lease = dynamic_cast<etcdserverpb::LeaseTimeToLiveResponse*>(&response)) {
    std::sort(lease->mutable_keys()->begin(), lease->mutable_keys()->end());
    if (lease->ttl() <= lease->grantedttl() && lease->ttl() > lease->grantedttl() - kLongestRunS) {
      lease->set_ttl(lease->grantedttl());
    }
  }
  if (auto* leases = dynamic_cast<etcdserverpb::LeaseLeasesResponse*>(&response)) {
    // Ordered by time left, which may be the same for several.
    std::sort(leases->mutable_leases()->begin(), leases->mutable_leases()->end(),
              [](const auto& a, const auto& b) { return a.id() < b.id(); });
  }
}

std::string Render(const grpc::Status& status, Message& response) {
  if (!status.ok()) {
    std::string text = status.error_message();
    // Go and C++ have different words for a message over gRPC's own limit.
    if (text.find("eceived message larger than max") != std::string::npos) {
      text = "message larger than max";
    }
    return "code " + std::to_string(status.error_code()) + ": " + text;
  }
  Mask(response);
  return response.ShortDebugString();
}

std::string Render(const mvccpb::Event& event) { return event.ShortDebugString(); }

}  // namespace matricula::differential
