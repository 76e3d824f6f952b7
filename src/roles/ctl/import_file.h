#pragma once

#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <google/protobuf/message.h>

#include "roles/ctl/csv.h"
#include "roles/ctl/import_kind.h"

namespace matricula::ctl {

// One line of a file: the request that it stands for, or what is wrong with it.
struct ImportLine {
  int64_t number = 0;
  std::unique_ptr<google::protobuf::Message> request;  // null: the line is bad
  std::string problem;                                 // in Portuguese
};

// Reads a CSV file as requests of one kind. The first line may be a header: one that names a key
// column. With a header the columns may stand in any order, and there may be more of them; without
// one they are exactly the kind's.
class ImportFile {
 public:
  // With `strict`, a line must also keep the rules that a server with default settings has; else it
  // is the server's business to refuse it. `in` must outlive this.
  ImportFile(const ImportKind& kind, std::istream& in, bool strict);

  // False at the end of the file, or when a bad header makes all the rest meaningless.
  bool Next(ImportLine* line);

  int64_t bytes_read() const { return reader_.bytes_read(); }

 private:
  bool IsHeader(const std::vector<std::string>& fields) const;
  bool TakeHeader(const CsvRecord& record, ImportLine* line);
  std::optional<std::string> Fill(const CsvRecord& record, ImportLine* line);
  std::optional<std::string> CheckRepetition(const std::vector<std::string>& values, int64_t line);

  const ImportKind& kind_;
  CsvReader reader_;
  const bool strict_;
  bool started_ = false;
  bool useless_ = false;
  bool has_header_ = false;
  std::vector<size_t> places_;  // the field of a record that each column stands in
  size_t least_fields_ = 0;
  std::unordered_map<std::string, int64_t> seen_;  // keys so far, and their lines
};

}  // namespace matricula::ctl
