// deps: matricula_role_ctl
// The CSV reader on any bytes: it ends, it stays within its limits, its lines go up, and what it
// reads as good fields survives being written and read again.
#include <cstdint>
#include <sstream>
#include <string>

#include "common/base/ensure.h"
#include "roles/ctl/csv.h"

using matricula::ctl::CsvLine;
using matricula::ctl::CsvReader;
using matricula::ctl::CsvRecord;
using matricula::ctl::kMaxRecordBytes;

namespace {

void CheckRoundTrip(const CsvRecord& record) {
  // A byte order mark can only be lost, and another separator only be seen, in the first line.
  std::istringstream again("matricula,nome\n" + CsvLine(record.fields) + "\n");
  CsvReader reader(again);
  CsvRecord header;
  CsvRecord copy;
  ENSURE(reader.Next(&header) && reader.Next(&copy), "a written record is read");
  // Quoting can make a record of nearly the maximal size too long.
  if (CsvLine(record.fields).size() + 1 > kMaxRecordBytes) return;
  ENSURE(copy.error.empty(), "a written record is good");
  ENSURE(copy.fields == record.fields, "a written record is the same when read");
  ENSURE(!reader.Next(&copy), "a written record is one record");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
  CsvReader reader(in);
  CsvRecord record;
  int64_t line = 0;
  while (reader.Next(&record)) {
    ENSURE(record.line > line, "lines go up");
    line = record.line;
    ENSURE(record.error.empty() != record.fields.empty(), "fields or an error");
    ENSURE(reader.bytes_read() <= static_cast<int64_t>(size), "no more than there is");
    if (record.error.empty()) CheckRoundTrip(record);
  }
  ENSURE(reader.bytes_read() == static_cast<int64_t>(size), "the whole file is read");
  return 0;
}
