// SPDX-License-Identifier: Apache-2.0
// The text of addresses.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace spanflow {

inline constexpr std::size_t kLongestAddress = 45;  // IPv6 that ends in an IPv4 address

// Writes an address, 16 octets in wire order, IPv4 in the last 4 of them, as inet_ntop(3) does: for IPv6 that is the
// form of RFC 5952. Returns the end of what was written: nothing, where the version is neither 4 nor 6.
char* write_address(char* to, const std::array<std::uint8_t, 16>& octets, std::uint8_t ip_version) noexcept;

// "aa:bb:cc:dd:ee:ff"
char* write_mac(char* to, const std::array<std::uint8_t, 6>& octets) noexcept;

}  // namespace spanflow
