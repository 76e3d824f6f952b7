#include "roles/ctl/csv.h"

#include <catch2/catch.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace matricula::ctl {
namespace {

using Fields = std::vector<std::string>;

std::vector<CsvRecord> ReadAll(const std::string& text) {
  std::istringstream in(text);
  CsvReader reader(in);
  std::vector<CsvRecord> records;
  CsvRecord record;
  while (reader.Next(&record)) records.push_back(record);
  CHECK(reader.bytes_read() == static_cast<int64_t>(text.size()));
  return records;
}

TEST_CASE("csv: plain and quoted fields") {
  const auto records = ReadAll("a,b\n\"c,d\",\"e \"\"f\"\"\"\n,\n");
  REQUIRE(records.size() == 3);
  CHECK(records[0].fields == Fields{"a", "b"});
  CHECK(records[1].fields == Fields{"c,d", "e \"f\""});
  CHECK(records[2].fields == Fields{"", ""});
  CHECK(records[2].line == 3);
}

TEST_CASE("csv: a byte order mark, CRLF, blank lines, and no line feed at the end") {
  const auto records = ReadAll("\xEF\xBB\xBFx,y\r\n\r\n\nz,w");
  REQUIRE(records.size() == 2);
  CHECK(records[0].fields == Fields{"x", "y"});
  CHECK(records[1].fields == Fields{"z", "w"});
  CHECK(records[1].line == 4);
}

TEST_CASE("csv: a quoted field may span lines, and the next record knows its line") {
  const auto records = ReadAll("a,\"b\r\nc\"\nd,e\n");
  REQUIRE(records.size() == 2);
  CHECK(records[0].fields == Fields{"a", "b\r\nc"});
  CHECK(records[1].line == 3);
}

TEST_CASE("csv: the first line says whether semicolons separate") {
  CHECK(ReadAll("a;b\nc,d;e\n")[1].fields == Fields{"c,d", "e"});
  CHECK(ReadAll("a,b;c\n")[0].fields == Fields{"a", "b;c"});
  CHECK(ReadAll("a,\"b;c;d\"\n")[0].fields == Fields{"a", "b;c;d"});
}

TEST_CASE("csv: a bad record costs itself and no other") {
  const auto records = ReadAll("a,b\"c\nd,\"e\"f\ng,h\n");
  REQUIRE(records.size() == 3);
  CHECK(records[0].error == "aspas no meio de um campo sem aspas");
  CHECK(records[1].error == "texto depois das aspas que fecham o campo");
  CHECK(records[2].fields == Fields{"g", "h"});
}

TEST_CASE("csv: a quote that is never closed does not swallow the file") {
  const auto records = ReadAll("a,\"b\nc,d\ne,f\n");
  REQUIRE(records.size() == 3);
  CHECK(records[0].error == "aspas abertas e nunca fechadas");
  CHECK(records[0].line == 1);
  CHECK(records[1].fields == Fields{"c", "d"});
  CHECK(records[2].fields == Fields{"e", "f"});
  CHECK(records[2].line == 3);
}

TEST_CASE("csv: a record over the limit is refused, and reading goes on") {
  const std::string at_limit(kMaxRecordBytes - 1, 'x');
  CHECK(ReadAll(at_limit + "\ny\n")[0].error.empty());
  const auto one_line = ReadAll(at_limit + "x\ny\n");
  REQUIRE(one_line.size() == 2);
  CHECK(one_line[0].error == "linha longa demais");
  CHECK(one_line[1].fields == Fields{"y"});

  std::string many = "\"a\n";
  while (many.size() <= kMaxRecordBytes) many += "line\n";
  const auto records = ReadAll(many + "\"\n");
  CHECK(records[0].error == "aspas abertas e não fechadas a tempo");
  CHECK(records[1].fields == Fields{"line"});
}

TEST_CASE("csv: what is written is read back") {
  const Fields fields = {"", " x ", "a\"b", "c,d", "e;f", "g\r\nh", "emoji 🎓"};
  const auto records = ReadAll(CsvLine(fields) + "\n");
  REQUIRE(records.size() == 1);
  CHECK(records[0].fields == fields);
  CHECK(CsvLine({"11921BSI209", "Ana"}) == "11921BSI209,Ana");
}

}  // namespace
}  // namespace matricula::ctl
