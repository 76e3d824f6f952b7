#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/support/byte_buffer.h>

#include "common/base/status.h"

namespace matricula::bench {

struct WorkloadOptions {
  std::string name;
  // Distinguishes what several runs on one server create.
  std::string run;
  uint64_t students = 50'000;  // prepared, and taken in turn
  uint64_t classes = 200;      // of the spread workload
  uint64_t keys = 10'000;      // of the etcd workloads
  uint64_t value_bytes = 128;
};

// A series of unary calls, all of one method. Immutable, so that threads share it.
struct CallSeries {
  std::string method;  // "/package.Service/Method"
  std::function<grpc::ByteBuffer(uint64_t number)> request;
  // What is wrong with an answer, in one or two words; empty: nothing.
  std::function<std::string_view(grpc::ByteBuffer& response)> judge;
};

// What is measured, and what must be there before.
struct Workload {
  struct Step {
    CallSeries calls;
    uint64_t count;
  };
  std::vector<Step> preparation;  // one after the other
  CallSeries calls;
};

// InvalidArgument: there is no workload of that name.
base::Result<Workload> MakeWorkload(const WorkloadOptions& options);

// The names that MakeWorkload knows, each with a line of explanation.
std::string DescribeWorkloads();

}  // namespace matricula::bench
