// SPDX-License-Identifier: Apache-2.0
// IPv4 (RFC 791) and IPv6 (RFC 8200) with its extension headers: lengths, addresses, fragmentation.
#include "decode/decode.hpp"

namespace spanflow {
namespace {

struct NextHeader {
  static constexpr std::uint8_t hop_by_hop = 0;
  static constexpr std::uint8_t routing = 43;
  static constexpr std::uint8_t fragment = 44;
  static constexpr std::uint8_t authentication = 51;
  static constexpr std::uint8_t destination_options = 60;
};

constexpr int kMaxExtensionHeaders = 16;
constexpr std::uint32_t kIpv6HeaderOctets = 40;

Discard decode_ipv4(Cursor& cursor, Packet& packet) noexcept {
  const auto on_the_wire = cursor.claimed();
  const auto header = cursor.peek<20>();
  if (cursor.failed()) [[unlikely]] {
    return discard_of(cursor);
  }
  const std::uint64_t header_octets = std::uint64_t{header.u8<0>() & 0x0fU} * 4;
  const auto total_length = header.be16<2>();
  // Total length 0: the sender left it to segmentation offload.
  packet.octets = total_length == 0 ? on_the_wire : total_length;
  if (header.u8<0>() >> 4 != 4 || header_octets < 20 || packet.octets < header_octets) [[unlikely]] {
    return Discard::malformed;
  }
  cursor.claim(packet.octets);
  if (!cursor.has(header_octets)) [[unlikely]] {
    return discard_of(cursor);
  }
  cursor.skip(header_octets);

  packet.version = 4;
  packet.class_of_service = header.u8<1>();
  packet.ttl = header.u8<8>();
  packet.protocol = header.u8<9>();
  packet.source = Address::mapped(header.raw<std::uint32_t, 12>());
  packet.destination = Address::mapped(header.raw<std::uint32_t, 16>());

  const auto fragment = header.be16<6>();
  packet.later_fragment = (fragment & 0x1fff) != 0;
  packet.first_fragment = (fragment & 0x3fff) == 0x2000;
  packet.identification = header.be16<4>();
  packet.fragment_protocol = packet.protocol;
  return Discard::none;
}

// Skips the extension headers before the transport header. On return `protocol` is what follows.
Discard walk_extension_headers(Cursor& cursor, Packet& packet) noexcept {
  for (int headers = 0; headers < kMaxExtensionHeaders; ++headers) {
    std::uint64_t octets = 0;
    switch (packet.protocol) {
      case NextHeader::hop_by_hop:
      case NextHeader::routing:
      case NextHeader::destination_options: octets = (std::uint64_t{cursor.peek<2>().u8<1>()} + 1) * 8; break;
      case NextHeader::authentication: octets = (std::uint64_t{cursor.peek<2>().u8<1>()} + 2) * 4; break;
      case NextHeader::fragment: octets = 8; break;
      default: return Discard::none;
    }
    const auto is_fragment = packet.protocol == NextHeader::fragment;
    const auto next = cursor.peek<1>().u8<0>();
    if (!cursor.has(octets)) {
      return discard_of(cursor);
    }
    if (is_fragment) {
      const auto fragment = cursor.peek<8>();
      packet.later_fragment = (fragment.be16<2>() & 0xfff8) != 0;
      if (packet.later_fragment || !packet.first_fragment) {  // of several first fragments the outer one counts
        packet.first_fragment = (fragment.be16<2>() & 0xfff9) == 0x0001;
        packet.identification = fragment.be32<4>();
        packet.fragment_protocol = next;
      }
    }
    packet.protocol = next;
    cursor.skip(octets);
    if (packet.later_fragment) {
      return Discard::none;  // what follows is a piece of somebody's payload
    }
  }
  return Discard::none;
}

// RFC 2675: the jumbo payload option of a hop-by-hop header, or 0.
std::uint32_t jumbo_payload_length(Cursor cursor) noexcept {
  const auto header = cursor.take<2>();
  auto left = (header.u8<1>() + 1) * 8 - 2;
  while (left >= 2 && !cursor.failed()) {
    const auto type = cursor.peek<1>().u8<0>();
    if (type == 0x00) {  // Pad1 has no length
      cursor.skip(1);
      left -= 1;
      continue;
    }
    const auto option = cursor.take<2>();
    const auto length = option.u8<1>();
    if (type == 0xc2 && length == 4 && left >= 6) {
      return cursor.take<4>().be32<0>();
    }
    cursor.skip(length);
    left -= 2 + length;
  }
  return 0;
}

// Payload length 0 without a jumbo option: does a whole transport header lie on the wire all the same? Then the sender
// left the length to segmentation offload; Ethernet padding is too short for it. A cut proof is a truncation.
Discard find_offloaded_transport(Cursor cursor, Packet probe, bool& found) noexcept {
  found = false;
  if (const auto discard = walk_extension_headers(cursor, probe); discard != Discard::none) {
    return discard;
  }
  if (probe.later_fragment) {
    return Discard::none;
  }
  if (probe.protocol == Protocol::tcp && cursor.claimed() >= 20) {
    found = cursor.peek<13>().u8<12>() >> 4 >= 5;
  } else if (probe.protocol == Protocol::udp && cursor.claimed() >= 8) {
    found = cursor.peek<6>().be16<4>() == 0;
  }
  return cursor.failed() ? discard_of(cursor) : Discard::none;
}

Discard decode_ipv6(Cursor& cursor, Packet& packet) noexcept {
  const auto on_the_wire = cursor.claimed();
  const auto header = cursor.take<kIpv6HeaderOctets>();
  if (cursor.failed()) [[unlikely]] {
    return discard_of(cursor);
  }
  if (header.u8<0>() >> 4 != 6) [[unlikely]] {
    return Discard::malformed;
  }
  packet.version = 6;
  packet.class_of_service = static_cast<std::uint8_t>(header.be16<0>() >> 4);
  packet.protocol = header.u8<6>();
  packet.ttl = header.u8<7>();
  packet.source = Address{{header.raw<std::uint64_t, 8>(), header.raw<std::uint64_t, 16>()}};
  packet.destination = Address{{header.raw<std::uint64_t, 24>(), header.raw<std::uint64_t, 32>()}};

  std::uint64_t payload_octets = header.be16<4>();
  if (payload_octets == 0) [[unlikely]] {
    if (packet.protocol == NextHeader::hop_by_hop) {
      const auto jumbo = jumbo_payload_length(cursor);
      payload_octets = jumbo > 0xffff ? jumbo : 0;
    }
    if (payload_octets == 0) {
      bool offloaded = false;
      if (const auto discard = find_offloaded_transport(cursor, packet, offloaded); discard != Discard::none) {
        return discard;
      }
      payload_octets = offloaded ? on_the_wire - kIpv6HeaderOctets : 0;
    }
  }
  packet.octets = kIpv6HeaderOctets + payload_octets;
  cursor.claim(payload_octets);
  return walk_extension_headers(cursor, packet);
}

}  // namespace

Discard decode_network(Cursor& cursor, Packet& packet) noexcept {
  switch (packet.link.network) {
    case Link::Network::ipv4: return decode_ipv4(cursor, packet);
    case Link::Network::ipv6: return decode_ipv6(cursor, packet);
    case Link::Network::by_version: {
      const auto version = cursor.peek<1>().u8<0>() >> 4;
      if (cursor.failed()) {
        return discard_of(cursor);
      }
      return version == 6 ? decode_ipv6(cursor, packet) : decode_ipv4(cursor, packet);
    }
    case Link::Network::none: break;
  }
  return Discard::non_ip;
}

}  // namespace spanflow
