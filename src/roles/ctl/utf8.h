#pragma once

#include <optional>
#include <string>
#include <string_view>

// Text as a terminal shows it.
namespace matricula::ctl {

// Takes the first character off `text`. Absent if its bytes are not UTF-8 (RFC 3629: no surrogates,
// no overlong forms, nothing above U+10FFFF); then one byte is taken off. `text` must not be empty.
std::optional<char32_t> TakeCharacter(std::string_view* text);

// Columns of a terminal: 2 for wide characters, 0 for combining ones. A byte that is not UTF-8
// counts as the one replacement character that Printable puts there.
int DisplayWidth(std::string_view text);

// The text with U+FFFD in place of whatever could disturb a terminal: control characters and bytes
// that are not UTF-8.
std::string Printable(std::string_view text);

}  // namespace matricula::ctl
