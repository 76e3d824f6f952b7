#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/message.h>
#include <nlohmann/json.hpp>

#include "roles/ctl/session.h"

// Records on their way to a reader: as lines of JSON for programs, as a table for people.
namespace matricula::ctl {

// The message with its fields' own names. A message field that is not there becomes null.
nlohmann::ordered_json JsonOf(const google::protobuf::Message& message);

// Sets the field at position `index` from what a person has written. Says why in Portuguese if that
// cannot be its value: no number, or no text at all (UTF-8).
std::optional<std::string> SetField(google::protobuf::Message& message, int index,
                                    std::string_view text);

// A table whose columns are as wide as what stands in them, numbers to the right. It is printed in
// batches, so that a long listing neither waits for its end nor is held in memory; a later batch
// may have wider columns.
class Table {
 public:
  Table(std::ostream& out, std::vector<std::string> headings);
  ~Table() { Flush(); }

  // `cells` are strings, numbers or null; as many as there are headings.
  void Add(const std::vector<nlohmann::ordered_json>& cells);
  void Flush();

 private:
  struct Cell {
    std::string text;
    bool is_number = false;
  };
  using Row = std::vector<Cell>;

  void Append(Row row);
  void PrintRow(const Row& row);

  std::ostream& out_;
  std::vector<int> widths_;
  std::vector<Row> rows_;
};

struct Column {
  std::string_view key;  // of the JSON record
  std::string_view heading;
};

// Prints records of one form, whichever way this session wants them.
class RecordPrinter {
 public:
  RecordPrinter(Session& session, std::vector<Column> columns);

  void Add(const nlohmann::ordered_json& record);
  // Prints what is still held back, for whoever has something to say after the records.
  void Flush();
  size_t count() const { return count_; }

 private:
  Session& session_;
  const std::vector<Column> columns_;
  std::unique_ptr<Table> table_;  // for people only
  size_t count_ = 0;
};

}  // namespace matricula::ctl
