// SPDX-License-Identifier: Apache-2.0
// The direction-free Flow Key (semantics §2) and its two hashes.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace spanflow {

static_assert(std::endian::native == std::endian::little, "keys, hashes and hand-over assume little endian");

// 16 octets in wire order; an IPv4 address is ::ffff:a.b.c.d.
using Address = std::array<std::uint8_t, 16>;

// (a, b) and (b, a) give the same key: `low` and `high` are the two ends in one fixed order.
struct FlowKey {
  Address low{};
  Address high{};
  std::uint16_t low_port = 0;
  std::uint16_t high_port = 0;
  std::uint8_t protocol = 0;
  std::uint8_t version = 0;
  std::uint16_t vlan = 0;       // 0 unless the key is extended by `vlan`
  std::uint16_t interface = 0;  // 0 unless the key is extended by `interface`

  bool operator==(const FlowKey& other) const noexcept;
};
static_assert(sizeof(FlowKey) == 42 && alignof(FlowKey) == 2);

namespace hashing {

inline std::uint64_t word(const void* octets, std::size_t index) noexcept {
  std::uint64_t value;
  std::memcpy(&value, static_cast<const std::uint8_t*>(octets) + index * 8, sizeof value);
  return value;
}
inline std::uint64_t multiply_mix(std::uint64_t a, std::uint64_t b) noexcept {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace hashing

inline bool FlowKey::operator==(const FlowKey& other) const noexcept {
  using hashing::word;
  return ((word(this, 0) ^ word(&other, 0)) | (word(this, 1) ^ word(&other, 1)) | (word(this, 2) ^ word(&other, 2)) |
          (word(this, 3) ^ word(&other, 3)) | (word(this, 4) ^ word(&other, 4)) |
          static_cast<std::uint64_t>(interface ^ other.interface)) == 0;
}

// Secret operands, drawn at random at start: who sends packets cannot choose the bucket that they fall into.
struct HashSecret {
  std::array<std::uint64_t, 6> words{};
};

inline std::uint64_t hash_key(const FlowKey& key, const HashSecret& secret) noexcept {
  using hashing::multiply_mix;
  using hashing::word;
  const auto& s = secret.words;
  const auto addresses = multiply_mix(word(&key, 0) ^ s[0], word(&key, 1) ^ s[1]) ^
                         multiply_mix(word(&key, 2) ^ s[2], word(&key, 3) ^ s[3]);
  return multiply_mix(addresses ^ s[4], word(&key, 4) ^ s[5] ^ (static_cast<std::uint64_t>(key.interface) << 48));
}

// flowId (148): unkeyed, so that it is the same for any worker count, seed, run and host (semantics §9).
inline std::uint64_t flow_id(const FlowKey& key, std::int64_t first_ns) noexcept {
  constexpr HashSecret kPublic{{0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89,
                                0x452821e638d01377, 0xbe5466cf34e90c6c}};
  constexpr std::uint64_t kTime = 0xc0ac29b7c97c50dd;
  return hashing::multiply_mix(hash_key(key, kPublic) ^ kTime, static_cast<std::uint64_t>(first_ns) ^ kPublic.words[0]);
}

}  // namespace spanflow
