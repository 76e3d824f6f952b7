#include "common/store/backup.h"

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include <catch2/catch.hpp>

#include "common/base/sha256.h"
#include "common/kv/coding.h"
#include "common/storage/rocksdb_engine.h"
#include "common/store/backup_format.h"
#include "common/store/replica_store.h"
#include "test/unit/storage/temporary_directory.h"
#include "test/unit/store/waiting.h"

namespace matricula::store {
namespace {

namespace fs = std::filesystem;
using base::Code;

std::unique_ptr<ReplicaStore> OpenStore(const std::string& directory) {
  auto engine = storage::OpenRocksDbEngine(directory);
  REQUIRE(engine.ok());
  auto store = ReplicaStore::Open(*std::move(engine), {});
  REQUIRE(store.ok());
  return *std::move(store);
}

void Put(ReplicaStore& store, const std::string& key, const std::string& value) {
  etcdserverpb::PutRequest request;
  request.set_key(key);
  request.set_value(value);
  REQUIRE(Wait<etcdserverpb::PutResponse>([&](auto done) {
            store.Put(request, std::move(done));
          }).ok());
}

std::string Get(ReplicaStore& store, const std::string& key, int64_t revision) {
  etcdserverpb::RangeRequest request;
  request.set_key(key);
  request.set_revision(revision);
  const auto response =
      Wait<etcdserverpb::RangeResponse>([&](auto done) { store.Range(request, std::move(done)); });
  REQUIRE(response.ok());
  return response->kvs_size() == 1 ? response->kvs(0).value() : "nothing";
}

// The whole backup of a folder, in pieces of some size.
std::string Pack(const std::string& directory, size_t piece_bytes) {
  auto packer = BackupPacker::Open(directory);
  REQUIRE(packer.ok());
  std::string backup;
  for (;;) {
    const auto piece = (*packer)->Next(piece_bytes);
    REQUIRE(piece.ok());
    if (piece->empty()) break;
    backup += *piece;
  }
  CHECK(backup.size() == (*packer)->size());
  return backup + (*packer)->Digest();
}

std::string WithDigest(std::string content) {
  content.resize((content.size() + kBackupBlockBytes - 1) / kBackupBlockBytes * kBackupBlockBytes);
  base::Sha256 digest;
  digest.Add(content);
  return content + digest.Finish();
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// A small folder that no store would take, for what is only about the packing.
struct SmallFolder {
  SmallFolder() {
    fs::create_directories(directory.path() + "/in");
    WriteFile(directory.path() + "/in/one", "the first file");
    WriteFile(directory.path() + "/in/empty", "");
    WriteFile(directory.path() + "/in/two", std::string(300, 'x'));
    backup = Pack(directory.path() + "/in", 1000);
  }

  base::Status Verify(const std::string& bytes) const {
    WriteFile(file, bytes);
    return VerifyBackup(file);
  }

  const test::TemporaryDirectory directory;
  const std::string file = directory.path() + "/backup";
  std::string backup;
};

TEST_CASE("a restored store has content and history, and is a cluster of its own") {
  const test::TemporaryDirectory directory;
  const std::string data = directory.path() + "/data";
  const std::string file = directory.path() + "/backup";
  uint64_t cluster_id = 0;
  {
    const auto store = OpenStore(data);
    cluster_id = store->cluster_id();
    Put(*store, "key", "old");
    Put(*store, "key", "new");
    REQUIRE(store->Checkpoint(directory.path() + "/copy").ok());
    Put(*store, "key", "after the copy");
  }
  const std::string backup = Pack(directory.path() + "/copy", 4096);
  CHECK(backup == Pack(directory.path() + "/copy", 7));
  CHECK(backup.size() % kBackupBlockBytes == base::Sha256::kBytes);
  WriteFile(file, backup);
  REQUIRE(VerifyBackup(file).ok());

  const std::string restored = directory.path() + "/not/there/yet";
  REQUIRE(RestoreBackup(file, restored + "/").ok());
  {
    const auto store = OpenStore(restored);
    CHECK(store->cluster_id() != cluster_id);
    CHECK(Get(*store, "key", 0) == "new");
    CHECK(Get(*store, "key", 2) == "old");
    Put(*store, "key", "goes on");
    CHECK(store->GetNumbers().revision == 4);
  }
  CHECK(RestoreBackup(file, restored).code() == Code::kFailedPrecondition);
  const auto store = OpenStore(restored);
  CHECK(Get(*store, "key", 0) == "goes on");
}

TEST_CASE("an empty folder may be restored into") {
  const test::TemporaryDirectory directory;
  { OpenStore(directory.path() + "/data"); }
  WriteFile(directory.path() + "/backup", Pack(directory.path() + "/data", 1 << 20));
  fs::create_directories(directory.path() + "/empty");
  REQUIRE(RestoreBackup(directory.path() + "/backup", directory.path() + "/empty").ok());
  OpenStore(directory.path() + "/empty");
}

TEST_CASE("a backup cut anywhere is refused") {
  const SmallFolder test;
  REQUIRE(test.Verify(test.backup).ok());
  for (size_t size = 0; size < test.backup.size(); ++size) {
    INFO(size);
    CHECK(test.Verify(test.backup.substr(0, size)).code() == Code::kDataLoss);
  }
  CHECK(test.Verify(test.backup + "x").code() == Code::kDataLoss);
}

TEST_CASE("a backup with any bit wrong is refused") {
  const SmallFolder test;
  for (size_t bit = 0; bit < test.backup.size() * 8; ++bit) {
    INFO(bit);
    std::string damaged = test.backup;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    CHECK(test.Verify(damaged).code() == Code::kDataLoss);
  }
}

TEST_CASE("whoever makes a digest to go with the damage is found out by the sums of the parts") {
  const SmallFolder test;
  const size_t content = test.backup.find(std::string(300, 'x')) + 300 + kPartTrailerBytes + 1;
  const std::string packed = test.backup.substr(0, content);
  REQUIRE(test.Verify(WithDigest(packed)).ok());
  for (size_t bit = 0; bit < packed.size() * 8; ++bit) {
    std::string damaged = packed;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    INFO(bit);
    const Code code = test.Verify(WithDigest(damaged)).code();
    // A greater version is none of ours, and not damage.
    CHECK((code == Code::kDataLoss ||
           (code == Code::kUnimplemented && bit / 8 == kBackupKind.size())));
  }
}

TEST_CASE("what cannot be restored leaves nothing behind") {
  const SmallFolder test;
  const std::string target = test.directory.path() + "/target";
  std::vector<std::string> bad = {"", "nonsense", test.backup.substr(0, test.backup.size() / 2)};
  bad.push_back(WithDigest(test.backup.substr(0, 100)));
  for (const std::string name : {"../escaped", "a/b", ".", "..", ""}) {
    std::string part = PartHeader(name, 1) + "x";
    kv::AppendBigEndian32(part, 0);
    bad.push_back(WithDigest(std::string(kBackupMagic) + part + '\0'));
  }
  for (const std::string& bytes : bad) {
    WriteFile(test.file, bytes);
    const auto status = RestoreBackup(test.file, target);
    CHECK(status.code() == Code::kDataLoss);
    CHECK_FALSE(fs::exists(target));
    CHECK_FALSE(fs::exists(target + ".restoring"));
    CHECK_FALSE(fs::exists(test.directory.path() + "/escaped"));
  }
  // The bytes are sound, but they are no store's.
  WriteFile(test.file, test.backup);
  (void)RestoreBackup(test.file, target);
  CHECK_FALSE(fs::exists(target + ".restoring"));
}

TEST_CASE("no file, no backup") {
  CHECK(VerifyBackup("/nonexistent/file").code() == Code::kInternal);
  CHECK(RestoreBackup("/nonexistent/file", "/nonexistent/folder").code() == Code::kInternal);
}

}  // namespace
}  // namespace matricula::store
