#include "roles/kv_replica/snapshot_stream.h"

#include <filesystem>
#include <utility>
#include <vector>

#include "common/base/log.h"

namespace matricula::roles {

using etcdserverpb::SnapshotResponse;

namespace {

// As large as etcd's own.
constexpr size_t kBlobBytes = 32 << 10;
// What one turn of the worker reads and hands over.
constexpr size_t kBlobsPerPage = 32;

}  // namespace

SnapshotStream::SnapshotStream(store::ReplicaStore& store, Worker& worker, std::string directory,
                               std::atomic<int>& count, Writer writer)
    : store_(store),
      worker_(worker),
      directory_(std::move(directory)),
      count_(count),
      writer_(std::move(writer)) {}

SnapshotStream::~SnapshotStream() {
  --count_;
  worker_.Continue([directory = directory_] {
    std::error_code ignored;  // a leftover is removed at the next start
    std::filesystem::remove_all(directory, ignored);
  });
}

void SnapshotStream::Start() {
  if (const auto status = store_.Checkpoint(directory_); !status.ok()) {
    base::log::Warning("snapshot.failed", {{"reason", status.ToString()}});
    writer_.Fail(status);
    return;
  }
  auto packer = store::BackupPacker::Open(directory_);
  if (!packer.ok()) {
    writer_.Fail(packer.status());
    return;
  }
  packer_ = *std::move(packer);
  SendPage();
}

void SnapshotStream::SendPage() {
  std::vector<SnapshotResponse> page;
  while (page.size() < kBlobsPerPage) {
    auto blob = packer_->Next(kBlobBytes);
    if (!blob.ok()) {
      base::log::Warning("snapshot.failed", {{"reason", blob.status().ToString()}});
      writer_.Fail(blob.status());
      return;
    }
    if (blob->empty()) {
      break;
    }
    sent_bytes_ += blob->size();
    SnapshotResponse response;
    response.set_remaining_bytes(packer_->size() - sent_bytes_);
    response.set_blob(*std::move(blob));
    page.push_back(std::move(response));
  }
  if (page.empty()) {
    SendDigest();
    return;
  }
  writer_.Write(page, [self = shared_from_this()]() mutable {
    Worker& worker = self->worker_;
    worker.Continue([self = std::move(self)] { self->SendPage(); });
  });
}

void SnapshotStream::SendDigest() {
  SnapshotResponse response;
  response.set_blob(packer_->Digest());
  writer_.Write(response, [self = shared_from_this()] { self->writer_.Finish(); });
}

}  // namespace matricula::roles
