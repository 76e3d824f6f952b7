#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/domain/commit.h"
#include "common/domain/cursor.h"
#include "common/domain/txn.h"

namespace matricula::domain {

// Reads all keys with a prefix in pages, all of the revision of the first page (or of `revision`,
// if that is not 0), beginning after the key `after` if there is one.
class PrefixReader {
 public:
  PrefixReader(Transactor& transactor, std::string prefix, Values values, int64_t revision = 0,
               std::string after = "")
      : transactor_(transactor),
        prefix_(std::move(prefix)),
        values_(values),
        revision_(revision),
        after_(std::move(after)) {}

  // At most `limit` pairs; none is the end. Aborted: the revision has been compacted.
  Task<base::Result<std::vector<mvccpb::KeyValue>>> Next(int limit);

  // Of the pages; 0 before the first.
  int64_t revision() const { return revision_; }

 private:
  Transactor& transactor_;
  const std::string prefix_;
  const Values values_;
  int64_t revision_;
  std::string after_;
  bool over_ = false;
};

// Reads of a revision that has been compacted meanwhile: the answer must be begun again.
base::Status SnapshotStatus(const base::Status& status);

// A cursor whose pages come from `Source::Next()`, a Task<Result<vector<T>>>. The source is kept
// alive by the call under way.
template <class T, class Source>
class SourceCursor final : public Cursor<T> {
 public:
  SourceCursor(Transactor& transactor, std::shared_ptr<Source> source)
      : transactor_(transactor), source_(std::move(source)) {}

  void NextPage(base::Done<std::vector<T>> done) override {
    Run<std::vector<T>>(transactor_.Enter(), Page(source_), std::move(done));
  }

 private:
  static Task<base::Result<std::vector<T>>> Page(std::shared_ptr<Source> source) {
    co_return co_await source->Next();
  }

  Transactor& transactor_;
  const std::shared_ptr<Source> source_;
};

}  // namespace matricula::domain
