#include "roles/ctl/utf8.h"

#include <locale.h>
#include <wchar.h>

#include <algorithm>

namespace matricula::ctl {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool IsControl(char32_t character) {
  return character < 0x20 || (character >= 0x7F && character < 0xA0);
}

// Bytes of the character that `lead` begins; 0 if it begins none.
size_t LengthOf(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

// Bounds of the second byte, narrower after some leads (RFC 3629 section 4).
bool IsSecondByte(unsigned char lead, unsigned char byte) {
  const unsigned char least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  return byte >= least && byte <= most;
}

// wcwidth() answers by the thread's locale, which for this purpose must be a UTF-8 one whatever
// the user has chosen.
int WidthOf(char32_t character) {
  static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (utf8 == nullptr) return 1;
  const locale_t before = uselocale(utf8);
  const int width = wcwidth(static_cast<wchar_t>(character));
  uselocale(before);
  return std::max(width, 0);
}

}  // namespace

std::optional<char32_t> TakeCharacter(std::string_view* text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>((*text)[i]); };
  const unsigned char lead = byte(0);
  const size_t length = LengthOf(lead);
  bool good = length > 0 && length <= text->size();
  char32_t character = length <= 1 ? lead : lead & (0x7Fu >> length);
  for (size_t i = 1; good && i < length; ++i) {
    good = i == 1 ? IsSecondByte(lead, byte(i)) : (byte(i) & 0xC0) == 0x80;
    character = (character << 6) | (byte(i) & 0x3F);
  }
  text->remove_prefix(good ? length : 1);
  return good ? std::optional(character) : std::nullopt;
}

int DisplayWidth(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const std::optional<char32_t> character = TakeCharacter(&text);
    width += character && !IsControl(*character) ? WidthOf(*character) : 1;
  }
  return width;
}

std::string Printable(std::string_view text) {
  std::string printable;
  while (!text.empty()) {
    const std::string_view before = text;
    const std::optional<char32_t> character = TakeCharacter(&text);
    if (character && !IsControl(*character)) {
      printable += before.substr(0, before.size() - text.size());
    } else {
      printable += kReplacement;
    }
  }
  return printable;
}

}  // namespace matricula::ctl
