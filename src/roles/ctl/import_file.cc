#include "roles/ctl/import_file.h"

#include <algorithm>
#include <span>

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include "roles/ctl/records.h"

namespace matricula::ctl {
namespace {

using Fields = std::vector<std::string>;

bool IsName(std::string field, const ImportColumn& column) {
  // ASCII letters only: the accented ones of an alias are matched as they are commonly written.
  absl::AsciiStrToLower(&field);
  absl::StripAsciiWhitespace(&field);
  return field == column.name || (!column.alias.empty() && field == column.alias);
}

std::string NamesOf(const ImportKind& kind) {
  std::string names;
  for (const ImportColumn& column : kind.columns) {
    if (!names.empty()) names += ',';
    names += column.name;
  }
  return names;
}

}  // namespace

ImportFile::ImportFile(const ImportKind& kind, std::istream& in, bool strict)
    : kind_(kind), reader_(in), strict_(strict), least_fields_(kind.columns.size()) {
  for (size_t i = 0; i < kind.columns.size(); ++i) places_.push_back(i);
}

bool ImportFile::Next(ImportLine* line) {
  CsvRecord record;
  if (useless_ || !reader_.Next(&record)) return false;
  if (!std::exchange(started_, true) && IsHeader(record.fields)) {
    if (!TakeHeader(record, line)) return true;
    if (!reader_.Next(&record)) return false;
  }
  *line = ImportLine();
  line->number = record.line;
  if (auto problem = record.error.empty() ? Fill(record, line) : std::move(record.error)) {
    line->problem = *std::move(problem);
    line->request.reset();
  }
  return true;
}

bool ImportFile::IsHeader(const Fields& fields) const {
  return std::any_of(fields.begin(), fields.end(), [this](const std::string& field) {
    const auto keys = std::span(kind_.columns).first(kind_.key_columns);
    return std::any_of(keys.begin(), keys.end(),
                       [&field](const ImportColumn& column) { return IsName(field, column); });
  });
}

// False if a column is missing; then `line` says so and nothing else of the file can be used.
bool ImportFile::TakeHeader(const CsvRecord& record, ImportLine* line) {
  has_header_ = true;
  least_fields_ = 0;
  for (size_t i = 0; i < kind_.columns.size(); ++i) {
    const auto found =
        std::find_if(record.fields.begin(), record.fields.end(),
                     [&](const std::string& field) { return IsName(field, kind_.columns[i]); });
    if (found == record.fields.end()) {
      useless_ = true;
      *line = ImportLine();
      line->number = record.line;
      line->problem = fmt::format("falta a coluna '{}' no cabeçalho; o arquivo não foi importado",
                                  kind_.columns[i].name);
      return false;
    }
    places_[i] = found - record.fields.begin();
    least_fields_ = std::max(least_fields_, places_[i] + 1);
  }
  return true;
}

std::optional<std::string> ImportFile::Fill(const CsvRecord& record, ImportLine* line) {
  const size_t count = record.fields.size();
  if (has_header_ ? count < least_fields_ : count != least_fields_) {
    return fmt::format("esperava {} campos ({}), há {}", least_fields_, NamesOf(kind_), count);
  }
  line->request = kind_.new_request();
  Fields values;
  for (size_t i = 0; i < places_.size(); ++i) {
    values.push_back(record.fields[places_[i]]);
    if (auto reason = SetField(*line->request, static_cast<int>(i), values[i])) return reason;
  }
  if (strict_) {
    if (auto reason = kind_.check(*line->request)) return reason;
  }
  return CheckRepetition(values, record.line);
}

// Lines are sent many at a time, so it would be chance which of two with the same key goes in.
std::optional<std::string> ImportFile::CheckRepetition(const Fields& values, int64_t line) {
  std::string key;
  for (size_t i = 0; i < kind_.key_columns; ++i) (key += values[i]) += '\0';
  const auto [first, is_new] = seen_.emplace(std::move(key), line);
  if (is_new) return std::nullopt;
  return fmt::format("repete a chave da linha {}", first->second);
}

}  // namespace matricula::ctl
