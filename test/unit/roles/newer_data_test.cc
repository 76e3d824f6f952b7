#include <string>

#include <catch2/catch.hpp>

#include "common/base/clock.h"
#include "common/base/crc32c.h"
#include "common/kv/rows.h"
#include "common/replication/coding.h"
#include "common/replication/log_format.h"
#include "common/rpc/loop.h"
#include "common/storage/rocksdb_engine.h"
#include "roles/kv_replica/kv_replica.h"
#include "test/unit/storage/temporary_directory.h"

namespace matricula::roles {
namespace {

// Data as this version leaves it after its first start, with one row of a version to come.
class NewerData {
 public:
  NewerData() {
    Put(kv::kFormatRow, kv::EncodeTtl(kv::kFormatVersion));
    Put(kv::kStateRow, kv::EncodeState({}));
    Put(kv::kIdentityRow, kv::EncodeIdentity({1, 2, 3}));
  }

  void Put(std::string_view row, const std::string& value) {
    auto engine = storage::OpenRocksDbEngine(directory_.path());
    REQUIRE(engine.ok());
    const auto batch = (*engine)->NewBatch();
    batch->Put(row, value);
    REQUIRE((*engine)->Write(*batch, storage::Durability::kSynced).ok());
  }

  base::Status Open() {
    rpc::LoopThread loop;
    Settings settings;
    settings.role = {"kv-replica"};
    settings.data = directory_.path();
    settings.kv_listen = settings.raft_listen = "127.0.0.1:0";
    return KvReplica::Open(settings, base::SystemClock(), loop.loop(), nullptr).status();
  }

 private:
  test::TemporaryDirectory directory_;
};

std::string OfVersion(char version, std::string bytes) {
  bytes[0] = version;
  return bytes;
}

TEST_CASE("an older program refuses newer rows before it looks into any") {
  NewerData data;
  data.Put(kv::kFormatRow, kv::EncodeTtl(kv::kFormatVersion + 1));
  data.Put(kv::kIdentityRow, "an identity of another kind");
  const base::Status status = data.Open();
  CHECK(status.code() == base::Code::kFailedPrecondition);
  CHECK(status.message() ==
        "the data was written by a newer version of this program (format 2, this one knows 1)");
}

TEST_CASE("an older program refuses a newer log") {
  NewerData data;
  std::string bytes = OfVersion(2, replication::EncodeDescription({}));
  bytes.resize(bytes.size() - sizeof(uint32_t));
  bytes += "something more";
  replication::AppendLittleEndian(bytes, base::Crc32c(0, bytes));
  data.Put(replication::kDescriptionKey, bytes);
  const base::Status status = data.Open();
  CHECK(status.code() == base::Code::kFailedPrecondition);
  CHECK(status.message().find("the raft log was written by a newer version") == 0);
}

TEST_CASE("data of this version is opened") {
  NewerData data;
  CHECK(data.Open().ok());
}

}  // namespace
}  // namespace matricula::roles
