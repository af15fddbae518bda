// SPDX-License-Identifier: Apache-2.0
// What the decoder makes of a frame: a packet of a Flow, or one reason to discard it (semantics §1).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "cache/flow_key.hpp"

namespace spanflow {

// A frame as a capture source hands it on. `data` is valid until the source is asked for the next frames.
struct Frame {
  const std::byte* data = nullptr;
  std::uint32_t captured_octets = 0;
  std::uint32_t wire_octets = 0;
  std::int64_t time_ns = 0;
  std::int64_t clock_ns = 0;    // the highest time stamp of the input, this frame included
  std::uint16_t link_type = 0;  // LINKTYPE_ number, as in a capture file
  std::uint16_t interface = 0;  // number of the capture port
  bool merged = false;          // several packets, put together by the network card or the kernel
};

enum class Discard : std::uint8_t {
  none,
  non_ip,
  truncated,
  malformed,
  unsupported_link,
  filtered,
  own_export,
  sampled_out,
  duplicate,
};
inline constexpr std::size_t kDiscardReasons = 9;
inline constexpr std::array<const char*, kDiscardReasons> kDiscardNames = {
    "none",     "non_ip",     "truncated",   "malformed", "unsupported_link",
    "filtered", "own_export", "sampled_out", "duplicate"};

struct TcpFlag {
  static constexpr std::uint16_t fin = 0x001;
  static constexpr std::uint16_t syn = 0x002;
  static constexpr std::uint16_t rst = 0x004;
  static constexpr std::uint16_t ack = 0x010;
};

struct Protocol {
  static constexpr std::uint8_t icmp = 1;
  static constexpr std::uint8_t tcp = 6;
  static constexpr std::uint8_t udp = 17;
  static constexpr std::uint8_t dccp = 33;
  static constexpr std::uint8_t icmpv6 = 58;
  static constexpr std::uint8_t sctp = 132;
  static constexpr std::uint8_t udplite = 136;
};

// What the link layer says, and where the network layer begins.
struct Link {
  enum class Network : std::uint8_t { none, ipv4, ipv6, by_version };

  Network network = Network::none;
  std::uint16_t vlan_id = 0;  // of the outer tag
  std::array<std::uint8_t, 6> source_mac{};
  std::array<std::uint8_t, 6> destination_mac{};
};

// One packet, source and destination as on the wire.
struct Packet {
  Address source{};
  Address destination{};
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint8_t protocol = 0;
  std::uint8_t version = 0;
  std::uint8_t ttl = 0;
  std::uint8_t class_of_service = 0;
  std::uint64_t octets = 0;  // of the IP packet, header included
  std::uint16_t tcp_flags = 0;
  std::uint16_t icmp_type_code = 0;

  // Fragmentation. A later fragment has no transport header: its ports are those of the first.
  bool first_fragment = false;
  bool later_fragment = false;
  std::uint32_t identification = 0;
  std::uint8_t fragment_protocol = 0;  // what the Fragment header (or the IPv4 header) names

  Link link;
};
static_assert(sizeof(Packet) == 80);  // a larger one is cleared by a string instruction: 5 ns for each packet

}  // namespace spanflow
