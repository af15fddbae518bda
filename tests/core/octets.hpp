// SPDX-License-Identifier: Apache-2.0
// Octets as a test writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace spanflow::test {

using Octets = std::vector<std::byte>;

// "45 00 | 00 28" -> octets; everything that is not a hexadecimal digit separates.
inline Octets hex(std::string_view text) {
  Octets octets;
  int half = -1;
  for (const char letter : text) {
    const int digit = letter >= '0' && letter <= '9'   ? letter - '0'
                      : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
                                                       : -1;
    if (digit < 0) {
      continue;
    }
    if (half < 0) {
      half = digit;
    } else {
      octets.push_back(static_cast<std::byte>(half << 4 | digit));
      half = -1;
    }
  }
  return octets;
}

inline Octets operator+(Octets left, const Octets& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

inline Octets zeros(std::size_t count) { return Octets(count); }

}  // namespace spanflow::test
