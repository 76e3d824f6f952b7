#pragma once

#include <cstdint>
#include <deque>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

// CSV as in RFC 4180, and as spreadsheets really write it: LF or CRLF, a UTF-8 byte order mark,
// `;` between the fields instead of `,` (found out from the first line). Strict in all else, since
// a misread quote would silently shift every field after it.
namespace matricula::ctl {

// A record longer than this is an error: most likely a quote that is never closed.
inline constexpr size_t kMaxRecordBytes = size_t{64} * 1024;

struct CsvRecord {
  int64_t line = 0;  // where it starts, from 1
  std::vector<std::string> fields;
  std::string error;  // in Portuguese; empty: the fields are good
};

// Reads a file record by record, in memory of at most a few records. Blank lines are no records.
// After a bad record it goes on with the line after the one where that record started.
class CsvReader {
 public:
  // `in` must outlive the reader.
  explicit CsvReader(std::istream& in) : in_(in) {}

  // False at the end of the file.
  bool Next(CsvRecord* record);

  // How far the records returned so far reach into the file, in bytes.
  int64_t bytes_read() const { return bytes_read_; }

 private:
  struct Line {
    std::string text;   // without its line feed; the first kMaxRecordBytes + 1 of a longer one
    int64_t bytes = 0;  // of the file, line feed included
  };

  const Line* Peek(size_t ahead);
  bool FetchLine(Line* line);
  void Consume(size_t lines);
  void Parse(CsvRecord* record);
  void LookAtStart(Line* first);

  std::istream& in_;
  std::deque<Line> lines_;   // read ahead, not consumed; bounded by kMaxRecordBytes of text
  char separator_ = '\0';    // '\0' until the first line has been seen
  int64_t line_number_ = 0;  // lines consumed
  int64_t bytes_read_ = 0;
};

// The fields as one line, with quotes where needed, without the line's end.
std::string CsvLine(const std::vector<std::string>& fields);

}  // namespace matricula::ctl
