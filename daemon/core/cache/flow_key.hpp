// SPDX-License-Identifier: Apache-2.0
// The direction-free Flow Key (semantics §2) and its two hashes.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace spanflow {

static_assert(std::endian::native == std::endian::little, "keys, hashes and hand-over assume little endian");

// 16 octets in wire order; an IPv4 address is ::ffff:a.b.c.d. Whole words: octets that are stored one by one and loaded
// together stall the processor.
struct Address {
  std::array<std::uint64_t, 2> words{};

  // `octets`: the four octets as they lie on the wire, loaded as one number.
  [[nodiscard]] static Address mapped(std::uint32_t octets) noexcept {
    return Address{{0, std::uint64_t{octets} << 32 | 0xffff0000U}};
  }
  // Some fixed order of addresses, the same for ever; as one number, without a branch.
  [[nodiscard]] unsigned __int128 order() const noexcept {
    return static_cast<unsigned __int128>(words[0]) << 64 | words[1];
  }
  bool operator==(const Address& other) const noexcept { return order() == other.order(); }
};
static_assert(sizeof(Address) == 16);

// (a, b) and (b, a) give the same key: `low` and `high` are the two ends in one fixed order.
struct FlowKey {
  Address low;
  Address high;
  std::uint64_t ports_and_more = 0;  // low port 16 | high port 16 | protocol 8 | IP version 8 | VLAN 16, from bit 0 on
  std::uint16_t interface = 0;       // 0 unless the key is extended by `interface`

  // vlan: 0 unless the key is extended by `vlan`.
  static std::uint64_t pack(std::uint16_t low_port, std::uint16_t high_port, std::uint8_t protocol,
                            std::uint8_t version, std::uint16_t vlan) noexcept {
    return std::uint64_t{low_port} | std::uint64_t{high_port} << 16 | std::uint64_t{protocol} << 32 |
           std::uint64_t{version} << 40 | std::uint64_t{vlan} << 48;
  }
  [[nodiscard]] std::uint16_t low_port() const noexcept { return static_cast<std::uint16_t>(ports_and_more); }
  [[nodiscard]] std::uint16_t high_port() const noexcept { return static_cast<std::uint16_t>(ports_and_more >> 16); }
  [[nodiscard]] std::uint8_t protocol() const noexcept { return static_cast<std::uint8_t>(ports_and_more >> 32); }
  [[nodiscard]] std::uint8_t version() const noexcept { return static_cast<std::uint8_t>(ports_and_more >> 40); }
  // One end is both ends: then all its packets go forward.
  [[nodiscard]] bool talks_to_itself() const noexcept { return low == high && low_port() == high_port(); }
};

inline std::uint64_t multiply_mix(std::uint64_t a, std::uint64_t b) noexcept {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Secret operands, drawn at random at start: who sends packets cannot choose the bucket that they fall into.
struct HashSecret {
  std::array<std::uint64_t, 6> words{};
};

inline std::uint64_t hash_key(const FlowKey& key, const HashSecret& secret) noexcept {
  const auto& s = secret.words;
  const auto addresses = multiply_mix(key.low.words[0] ^ s[0], key.low.words[1] ^ s[1]) ^
                         multiply_mix(key.high.words[0] ^ s[2], key.high.words[1] ^ s[3]);
  return multiply_mix(addresses ^ s[4], key.ports_and_more ^ s[5] ^ std::uint64_t{key.interface} << 48);
}

// flowId (148): unkeyed, so that it is the same for any worker count, seed, run and host (semantics §9).
inline std::uint64_t flow_id(const FlowKey& key, std::int64_t first_ns) noexcept {
  constexpr HashSecret kPublic{{0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89,
                                0x452821e638d01377, 0xbe5466cf34e90c6c}};
  constexpr std::uint64_t kTime = 0xc0ac29b7c97c50dd;
  return multiply_mix(hash_key(key, kPublic) ^ kTime, static_cast<std::uint64_t>(first_ns) ^ kPublic.words[0]);
}

}  // namespace spanflow
