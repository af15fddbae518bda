// SPDX-License-Identifier: Apache-2.0
#include "classify/detail_text.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace spanflow {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// The first character of a text: its octets, or 0 when they are no well-formed UTF-8 (RFC 3629 section 4).
std::size_t octets_of_character(std::string_view text, std::uint32_t& character) noexcept {
  const auto octet = [text](std::size_t index) { return static_cast<std::uint8_t>(text[index]); };
  const auto first = octet(0);
  const std::size_t octets = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  if (octets == 0 || octets > text.size()) {
    return 0;
  }
  character = octets == 1 ? first : first & (0x7fU >> octets);
  for (std::size_t index = 1; index < octets; ++index) {
    if ((octet(index) & 0xc0) != 0x80) {
      return 0;
    }
    character = character << 6 | (octet(index) & 0x3fU);
  }
  const auto overlong = (octets == 3 && character < 0x800) || (octets == 4 && character < 0x10000);
  const auto surrogate = character >= 0xd800 && character < 0xe000;
  return overlong || surrogate || character > 0x10ffff ? 0 : octets;
}

bool is_control(std::uint32_t character) noexcept {
  return character < 0x20 || (character >= 0x7f && character < 0xa0);
}

// What stands for the first character of a text, which it is shortened by.
std::string_view take_clean(std::string_view& text) noexcept {
  std::uint32_t character = 0;
  const auto octets = octets_of_character(text, character);
  const auto fit = octets != 0 && !is_control(character);
  const auto piece = fit ? text.substr(0, octets) : kReplacement;
  text.remove_prefix(octets == 0 ? 1 : octets);
  return piece;
}

}  // namespace

std::string clean_text(std::string_view text) {
  std::string clean;
  while (!text.empty()) {
    clean += take_clean(text);
  }
  return clean;
}

void append_detail(std::vector<std::byte>& target, std::string_view text) {
  const auto length_at = target.size();
  const auto is_plain = [](char each) { return each >= 0x20 && each < 0x7f; };
  if (text.size() <= kLongestDetail && std::ranges::all_of(text, is_plain)) [[likely]] {
    target.resize(length_at + 1 + text.size());
    target[length_at] = static_cast<std::byte>(text.size());
    std::memcpy(target.data() + length_at + 1, text.data(), text.size());
    return;
  }
  target.push_back(std::byte{0});
  std::size_t length = 0;
  while (!text.empty() && text.front() != '\0') {
    const auto piece = take_clean(text);
    if (length + piece.size() > kLongestDetail) {
      break;
    }
    for (const char each : piece) {
      target.push_back(static_cast<std::byte>(each));
    }
    length += piece.size();
  }
  target[length_at] = static_cast<std::byte>(length);
}

}  // namespace spanflow
