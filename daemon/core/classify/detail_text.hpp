// SPDX-License-Identifier: Apache-2.0
// Text out of packets, made fit to be stored and sent.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace spanflow {

// The longest text that the short form of a variable length can say (RFC 7011 section 7).
inline constexpr std::size_t kLongestDetail = 254;

// The text as valid UTF-8: what is none, and every control character, becomes U+FFFD.
[[nodiscard]] std::string clean_text(std::string_view text);

// Appends one length octet and the clean text. What does not fit into kLongestDetail octets is cut, never inside a
// character. A NUL ends the text.
void append_detail(std::vector<std::byte>& target, std::string_view text);

}  // namespace spanflow
