#pragma once

#include <string_view>

#include "etcd_rpc.pb.h"

namespace matricula::sync {

// A key under which a student, professor or discipline is kept.
bool IsRecordKey(std::string_view key);

// What a cache of records can answer: the newest version of one record, and nothing else.
bool IsPlainRead(const etcdserverpb::RangeRequest& request);

}  // namespace matricula::sync
