#include "roles/ctl/utf8.h"

#include <catch2/catch.hpp>

namespace matricula::ctl {
namespace {

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    if (!TakeCharacter(&text)) return false;
  }
  return true;
}

TEST_CASE("utf8: only what RFC 3629 allows is valid") {
  CHECK(IsUtf8(""));
  CHECK(IsUtf8("João 学 🎓"));
  CHECK_FALSE(IsUtf8("\xff"));
  CHECK_FALSE(IsUtf8("\x80"));
  CHECK_FALSE(IsUtf8("Jo\xe3o"));           // Latin-1
  CHECK_FALSE(IsUtf8("\xc0\xaf"));          // overlong
  CHECK_FALSE(IsUtf8("\xe0\x80\xaf"));      // overlong
  CHECK_FALSE(IsUtf8("\xf0\x80\x80\xaf"));  // overlong
  CHECK_FALSE(IsUtf8("\xed\xa0\x80"));      // a surrogate
  CHECK_FALSE(IsUtf8("\xf4\x90\x80\x80"));  // above U+10FFFF
  CHECK_FALSE(IsUtf8("\xe5\xad"));          // cut off
  CHECK(IsUtf8("\xf4\x8f\xbf\xbf"));
}

TEST_CASE("utf8: width on a terminal") {
  CHECK(DisplayWidth("Jose") == 4);
  CHECK(DisplayWidth("José") == 4);
  CHECK(DisplayWidth("Jose\xCC\x81") == 4);  // a combining accent
  CHECK(DisplayWidth("学生") == 4);
  CHECK(DisplayWidth("🎓") == 2);
  CHECK(DisplayWidth("\xff") == 1);
}

TEST_CASE("utf8: nothing that disturbs a terminal is printed") {
  CHECK(Printable("José") == "José");
  CHECK(Printable("\x7f\xc2\x9b") == "\xEF\xBF\xBD\xEF\xBF\xBD");  // DEL, CSI
  CHECK(Printable("a\x1b[2Jb\xff") == "a\xEF\xBF\xBD[2Jb\xEF\xBF\xBD");
}

}  // namespace
}  // namespace matricula::ctl
