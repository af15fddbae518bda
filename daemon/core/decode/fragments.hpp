// SPDX-License-Identifier: Apache-2.0
// Which ports a later fragment belongs to (semantics §2, Fragments).
#pragma once

#include <cstdint>
#include <vector>

#include "cache/flow_key.hpp"
#include "decode/packet.hpp"

namespace spanflow {

// Owner: one metering worker. Remembers the first fragments of the last 30 s of packet time, at most `entries` of them;
// the oldest goes. Bounded at construction: entries in a list by age, and in chains by name.
class FragmentTable {
 public:
  FragmentTable(std::uint32_t entries, bool vlan_in_key, const HashSecret& secret);

  // A first fragment: its ports and protocol are kept.
  void remember(const Packet& packet, std::int64_t time_ns) noexcept;

  // A later fragment: gets the ports and the protocol of its first. False when no first is known.
  [[nodiscard]] bool complete(Packet& packet, std::int64_t time_ns) const noexcept;

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::int64_t kLifetimeNs = 30'000'000'000;

  struct Entry {
    Address source{};
    Address destination{};
    std::uint32_t identification = 0;
    std::uint16_t vlan = 0;
    std::uint8_t fragment_protocol = 0;
    std::uint8_t protocol = 0;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint8_t ip_version = 0;  // an address of IPv6 may be one of IPv4 in its mapped form
    std::int64_t time_ns = 0;
    std::uint32_t chain = kNone;  // its bucket
    std::uint32_t next = kNone;   // in its bucket
    std::uint32_t older = kNone;
    std::uint32_t newer = kNone;
  };

  [[nodiscard]] std::uint32_t bucket_of(const Packet& packet) const noexcept;
  [[nodiscard]] bool same(const Entry& entry, const Packet& packet) const noexcept;
  [[nodiscard]] std::uint32_t find(const Packet& packet) const noexcept;
  [[nodiscard]] std::uint32_t take_oldest() noexcept;
  void unlink_age(std::uint32_t index) noexcept;
  void append_newest(std::uint32_t index) noexcept;

  bool vlan_in_key_;
  HashSecret secret_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> buckets_;
  std::uint32_t used_ = 0;
  std::uint32_t oldest_ = kNone;
  std::uint32_t newest_ = kNone;
};

}  // namespace spanflow
