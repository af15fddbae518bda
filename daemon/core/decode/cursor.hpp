// SPDX-License-Identifier: Apache-2.0
// The one way to read octets of a packet: bounds are checked once per header, offsets inside it at compile time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace spanflow {

// A header of N octets that is known to be there. Reads are big-endian (network order).
template <std::size_t N>
class Header {
 public:
  explicit Header(const std::byte* data) noexcept : data_(data) {}

  template <std::size_t Offset>
  [[nodiscard]] std::uint8_t u8() const noexcept {
    static_assert(Offset + 1 <= N);
    return std::to_integer<std::uint8_t>(data_[Offset]);
  }
  template <std::size_t Offset>
  [[nodiscard]] std::uint16_t be16() const noexcept {
    static_assert(Offset + 2 <= N);
    std::uint16_t value = 0;
    std::memcpy(&value, data_ + Offset, sizeof value);
    return __builtin_bswap16(value);
  }
  template <std::size_t Offset>
  [[nodiscard]] std::uint32_t be32() const noexcept {
    static_assert(Offset + 4 <= N);
    std::uint32_t value = 0;
    std::memcpy(&value, data_ + Offset, sizeof value);
    return __builtin_bswap32(value);
  }
  // Octets as they lie on the wire, loaded as one number.
  template <typename Number, std::size_t Offset>
  [[nodiscard]] Number raw() const noexcept {
    static_assert(Offset + sizeof(Number) <= N);
    Number value;
    std::memcpy(&value, data_ + Offset, sizeof value);
    return value;
  }
  // Copies Count octets from Offset, in the order of the wire.
  template <std::size_t Offset, std::size_t Count>
  void copy(void* target) const noexcept {
    static_assert(Offset + Count <= N);
    std::memcpy(target, data_ + Offset, Count);
  }

 private:
  const std::byte* data_;
};

// Walks one frame. Two ends bound it: the octets that were captured, and the octets that the packet claims to have
// (the wire length, then the IP length). Running past the claim means that a header contradicts itself; running past
// the capture only means that the snap length cut it. A read past either yields zeros and latches the reason.
class Cursor {
 public:
  enum class Shortage : std::uint8_t { none, truncated, malformed };

  Cursor(const std::byte* data, std::size_t captured, std::uint64_t claimed) noexcept
      : data_(data), captured_(captured), claimed_(claimed), end_(std::min<std::uint64_t>(captured, claimed)) {}

  template <std::size_t N>
  [[nodiscard]] Header<N> peek() noexcept {
    static_assert(N <= kZeros.size());
    return has(N) ? Header<N>(data_ + offset_) : Header<N>(kZeros.data());
  }
  template <std::size_t N>
  [[nodiscard]] Header<N> take() noexcept {
    const auto header = peek<N>();
    skip(N);
    return header;
  }

  // Is there a header of `octets` here? If not, the reason is latched.
  [[nodiscard]] bool has(std::uint64_t octets) noexcept {
    const auto end = offset_ + octets;
    if (end <= end_) [[likely]] {
      return true;
    }
    if (shortage_ == Shortage::none) {
      shortage_ = end > claimed_ ? Shortage::malformed : Shortage::truncated;
    }
    return false;
  }
  void skip(std::uint64_t octets) noexcept { offset_ += octets; }

  // From here on the packet claims `octets`, whatever lay around it.
  void claim(std::uint64_t octets) noexcept {
    claimed_ = offset_ + octets;
    end_ = std::min(captured_, claimed_);
  }

  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] std::uint64_t claimed() const noexcept { return claimed_ > offset_ ? claimed_ - offset_ : 0; }
  [[nodiscard]] Shortage shortage() const noexcept { return shortage_; }
  [[nodiscard]] bool failed() const noexcept { return shortage_ != Shortage::none; }

 private:
  static constexpr std::array<std::byte, 64> kZeros{};

  const std::byte* data_;
  std::uint64_t captured_;
  std::uint64_t claimed_;
  std::uint64_t end_;  // of what can be read: the nearer of the two
  std::uint64_t offset_ = 0;
  Shortage shortage_ = Shortage::none;
};

}  // namespace spanflow
