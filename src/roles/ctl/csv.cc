#include "roles/ctl/csv.h"

#include <algorithm>
#include <utility>

namespace matricula::ctl {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr char kQuote = '"';

// Takes the lines of one record and gives its fields.
class RecordParser {
 public:
  explicit RecordParser(char separator) : separator_(separator) {}

  // One line without its line feed.
  void Feed(std::string_view line) {
    for (size_t i = 0; i < line.size() && error_.empty(); ++i) {
      const bool ends_line = line[i] == '\r' && i + 1 == line.size();
      if (!ends_line || state_ == State::kQuoted) Take(line[i]);
    }
    if (state_ == State::kQuoted) {
      field_ += '\n';
    } else {
      EndField();
    }
  }

  // Whether the record goes on in the next line.
  bool IsOpen() const { return state_ == State::kQuoted && error_.empty(); }
  const std::string& error() const { return error_; }
  std::vector<std::string> TakeFields() { return std::move(fields_); }

 private:
  enum class State { kFieldStart, kPlain, kQuoted, kAfterQuote };

  void Take(char c) {
    switch (state_) {
      case State::kFieldStart:
      case State::kPlain:
        TakeOutside(c);
        break;
      case State::kQuoted:
        if (c == kQuote) {
          state_ = State::kAfterQuote;
        } else {
          field_ += c;
        }
        break;
      case State::kAfterQuote:
        TakeAfterQuote(c);
        break;
    }
  }

  void TakeOutside(char c) {
    if (c == separator_) {
      EndField();
    } else if (c != kQuote) {
      field_ += c;
      state_ = State::kPlain;
    } else if (state_ == State::kFieldStart) {
      state_ = State::kQuoted;
    } else {
      error_ = "aspas no meio de um campo sem aspas";
    }
  }

  void TakeAfterQuote(char c) {
    if (c == separator_) {
      EndField();
    } else if (c == kQuote) {  // a doubled quote stands for one
      field_ += kQuote;
      state_ = State::kQuoted;
    } else {
      error_ = "texto depois das aspas que fecham o campo";
    }
  }

  void EndField() {
    fields_.push_back(std::move(field_));
    field_.clear();
    state_ = State::kFieldStart;
  }

  const char separator_;
  State state_ = State::kFieldStart;
  std::string field_;
  std::vector<std::string> fields_;
  std::string error_;
};

char SeparatorOf(std::string_view line) {
  bool quoted = false;
  int commas = 0;
  int semicolons = 0;
  for (const char c : line) {
    if (c == kQuote) quoted = !quoted;
    if (!quoted && c == ',') ++commas;
    if (!quoted && c == ';') ++semicolons;
  }
  return semicolons > commas ? ';' : ',';
}

bool IsBlank(std::string_view line) { return line.empty() || line == "\r"; }

}  // namespace

bool CsvReader::Next(CsvRecord* record) {
  *record = CsvRecord();
  const Line* line = Peek(0);
  while (line != nullptr && IsBlank(line->text)) {
    Consume(1);
    line = Peek(0);
  }
  if (line == nullptr) return false;
  record->line = line_number_ + 1;
  Parse(record);
  return true;
}

void CsvReader::Parse(CsvRecord* record) {
  RecordParser parser(separator_);
  int64_t bytes = 0;
  size_t lines = 0;
  do {
    const Line* line = Peek(lines);
    if (line == nullptr) {
      record->error = "aspas abertas e nunca fechadas";
      break;
    }
    ++lines;
    bytes += line->bytes;
    if (bytes > static_cast<int64_t>(kMaxRecordBytes)) {
      record->error = lines == 1 ? "linha longa demais" : "aspas abertas e não fechadas a tempo";
      break;
    }
    parser.Feed(line->text);
    record->error = parser.error();
  } while (parser.IsOpen());
  if (record->error.empty()) {
    record->fields = parser.TakeFields();
    Consume(lines);
  } else {
    Consume(1);
  }
}

const CsvReader::Line* CsvReader::Peek(size_t ahead) {
  while (lines_.size() <= ahead) {
    Line line;
    if (!FetchLine(&line)) return nullptr;
    if (separator_ == '\0') LookAtStart(&line);
    lines_.push_back(std::move(line));
  }
  return &lines_[ahead];
}

void CsvReader::LookAtStart(Line* first) {
  if (first->text.starts_with(kByteOrderMark)) first->text.erase(0, kByteOrderMark.size());
  separator_ = SeparatorOf(first->text);
}

bool CsvReader::FetchLine(Line* line) {
  using Traits = std::istream::traits_type;
  std::streambuf* const bytes = in_.rdbuf();
  for (auto c = bytes->sbumpc(); c != Traits::eof(); c = bytes->sbumpc()) {
    ++line->bytes;
    if (c == '\n') return true;
    if (line->text.size() <= kMaxRecordBytes) line->text += Traits::to_char_type(c);
  }
  return line->bytes > 0;
}

void CsvReader::Consume(size_t lines) {
  for (size_t i = 0; i < lines; ++i) {
    bytes_read_ += lines_.front().bytes;
    ++line_number_;
    lines_.pop_front();
  }
}

std::string CsvLine(const std::vector<std::string>& fields) {
  std::string line;
  for (const std::string& field : fields) {
    if (&field != &fields.front()) line += ',';
    // Blanks at the ends too: some readers trim what is not quoted. `;` and an empty first field,
    // so that no line is mistaken for another format or for a blank line.
    const bool quoted = field.find_first_of(",;\"\r\n") != std::string::npos || field.empty() ||
                        field.front() == ' ' || field.back() == ' ';
    if (!quoted) {
      line += field;
      continue;
    }
    line += kQuote;
    for (const char c : field) {
      if (c == kQuote) line += kQuote;
      line += c;
    }
    line += kQuote;
  }
  return line;
}

}  // namespace matricula::ctl
