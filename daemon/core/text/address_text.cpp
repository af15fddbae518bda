// SPDX-License-Identifier: Apache-2.0
#include "text/address_text.hpp"

#include <charconv>

namespace spanflow {
namespace {

constexpr std::size_t kGroups = 8;

char* write_ipv4(char* to, const std::array<std::uint8_t, 16>& octets) noexcept {
  for (std::size_t index = 12; index < 16; ++index) {
    to = std::to_chars(to, to + 3, octets[index]).ptr;
    *to++ = '.';
  }
  return to - 1;
}

// The groups that "::" stands for: RFC 5952 section 4.2, the first of the longest runs of two or more.
struct Run {
  std::size_t begin = kGroups;
  std::size_t length = 0;
};

Run longest_run_of_zeros(const std::array<std::uint16_t, kGroups>& groups) noexcept {
  Run longest;
  for (std::size_t begin = 0; begin < kGroups;) {
    std::size_t end = begin;
    while (end < kGroups && groups[end] == 0) {
      ++end;
    }
    if (end - begin >= 2 && end - begin > longest.length) {
      longest = Run{.begin = begin, .length = end - begin};
    }
    begin = end + 1;
  }
  return longest;
}

char* write_ipv6(char* to, const std::array<std::uint8_t, 16>& octets) noexcept {
  std::array<std::uint16_t, kGroups> groups{};
  for (std::size_t index = 0; index < kGroups; ++index) {
    groups[index] = static_cast<std::uint16_t>(octets[2 * index] << 8 | octets[2 * index + 1]);
  }
  const auto run = longest_run_of_zeros(groups);
  // RFC 5952 section 5: ::a.b.c.d and ::ffff:a.b.c.d are known to end in an IPv4 address.
  const auto ends_in_ipv4 = run.begin == 0 && (run.length == 6 || (run.length == 5 && groups[5] == 0xffff));
  for (std::size_t index = 0; index < kGroups; ++index) {
    if (index == run.begin) {
      *to++ = ':';
      index += run.length;
      if (index == kGroups) {
        *to++ = ':';
        break;
      }
    }
    if (index > 0) {
      *to++ = ':';
    }
    if (index == 6 && ends_in_ipv4) {
      return write_ipv4(to, octets);
    }
    to = std::to_chars(to, to + 4, groups[index], 16).ptr;
  }
  return to;
}

}  // namespace

char* write_address(char* to, const std::array<std::uint8_t, 16>& octets, std::uint8_t ip_version) noexcept {
  switch (ip_version) {
    case 4: return write_ipv4(to, octets);
    case 6: return write_ipv6(to, octets);
    default: return to;
  }
}

char* write_mac(char* to, const std::array<std::uint8_t, 6>& octets) noexcept {
  constexpr auto kDigits = "0123456789abcdef";
  for (const auto octet : octets) {
    *to++ = kDigits[octet >> 4];
    *to++ = kDigits[octet & 0x0f];
    *to++ = ':';
  }
  return to - 1;
}

}  // namespace spanflow
