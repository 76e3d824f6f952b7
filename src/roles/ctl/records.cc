#include "roles/ctl/records.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "common/base/ensure.h"
#include "common/domain/rules.h"
#include "roles/ctl/utf8.h"

namespace matricula::ctl {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using nlohmann::ordered_json;

constexpr size_t kTableBatchRows = 1000;
constexpr std::string_view kGap = "  ";

ordered_json JsonOfField(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (!reflection.HasField(message, &field)) return nullptr;
      return JsonOf(reflection.GetMessage(message, &field));
    default:
      ENSURE(false, "the portals' messages have strings, numbers and messages");
  }
}

ordered_json JsonOfRepeated(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  auto list = ordered_json::array();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    list.push_back(JsonOf(reflection.GetRepeatedMessage(message, &field, i)));
  }
  return list;
}

std::string TextOf(const ordered_json& cell) {
  if (cell.is_null()) return "";
  return cell.is_string() ? Printable(cell.get<std::string>()) : cell.dump();
}

}  // namespace

ordered_json JsonOf(const Message& message) {
  auto json = ordered_json::object();
  const auto& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    json[field.name()] =
        field.is_repeated() ? JsonOfRepeated(message, field) : JsonOfField(message, field);
  }
  return json;
}

std::optional<std::string> SetField(Message& message, int index, std::string_view text) {
  const FieldDescriptor& field = *message.GetDescriptor()->field(index);
  const auto& reflection = *message.GetReflection();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    if (!domain::CountCharacters(text))
      return fmt::format("{}: o texto não está em UTF-8", field.name());
    reflection.SetString(&message, &field, std::string(text));
    return std::nullopt;
  }
  ENSURE(field.cpp_type() == FieldDescriptor::CPPTYPE_INT32, "fields are texts or numbers");
  int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return fmt::format("{}: '{}' não é um número inteiro", field.name(), Printable(text));
  }
  reflection.SetInt32(&message, &field, number);
  return std::nullopt;
}

Table::Table(std::ostream& out, std::vector<std::string> headings)
    : out_(out), widths_(headings.size(), 0) {
  Row row;
  for (std::string& heading : headings) row.push_back({std::move(heading), false});
  Append(std::move(row));
}

void Table::Add(const std::vector<ordered_json>& cells) {
  ENSURE(cells.size() == widths_.size(), "a cell per heading");
  Row row;
  for (const ordered_json& cell : cells) row.push_back({TextOf(cell), cell.is_number()});
  Append(std::move(row));
}

void Table::Append(Row row) {
  for (size_t i = 0; i < row.size(); ++i) {
    widths_[i] = std::max(widths_[i], DisplayWidth(row[i].text));
  }
  rows_.push_back(std::move(row));
  if (rows_.size() >= kTableBatchRows) Flush();
}

void Table::Flush() {
  for (const Row& row : rows_) PrintRow(row);
  rows_.clear();
}

void Table::PrintRow(const Row& row) {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    const std::string padding(widths_[i] - DisplayWidth(row[i].text), ' ');
    if (i > 0) line += kGap;
    line += row[i].is_number ? padding + row[i].text : row[i].text + padding;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  out_ << line << '\n';
}

RecordPrinter::RecordPrinter(Session& session, std::vector<Column> columns)
    : session_(session), columns_(std::move(columns)) {
  if (session_.json()) return;
  std::vector<std::string> headings;
  for (const Column& column : columns_) headings.emplace_back(column.heading);
  table_ = std::make_unique<Table>(session_.console().out, std::move(headings));
}

void RecordPrinter::Add(const ordered_json& record) {
  ++count_;
  if (session_.json()) {
    session_.PrintJson(record);
    return;
  }
  std::vector<ordered_json> cells;
  for (const Column& column : columns_) cells.push_back(record.at(std::string(column.key)));
  table_->Add(cells);
}

void RecordPrinter::Flush() {
  if (table_ != nullptr) table_->Flush();
}

}  // namespace matricula::ctl
