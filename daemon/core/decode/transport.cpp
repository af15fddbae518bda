// SPDX-License-Identifier: Apache-2.0
// Ports, TCP flags, ICMP type and code: as much of the transport header as the Flow needs.
#include <algorithm>

#include "decode/decode.hpp"

namespace spanflow {
namespace {

constexpr std::uint64_t kTcpFlagsEnd = 14;

Discard decode_ports(Cursor& cursor, Packet& packet) noexcept {
  const auto header = cursor.peek<4>();
  if (cursor.failed()) [[unlikely]] {
    return discard_of(cursor);
  }
  packet.source_port = header.be16<0>();
  packet.destination_port = header.be16<2>();
  return Discard::none;
}

// A first fragment may end before the flags (then there are none); a snap length that cuts them is a truncation.
Discard decode_tcp(Cursor& cursor, Packet& packet) noexcept {
  if (cursor.claimed() < kTcpFlagsEnd) [[unlikely]] {
    const auto discard = decode_ports(cursor, packet);
    return discard == Discard::none && !cursor.has(cursor.claimed()) ? discard_of(cursor) : discard;
  }
  const auto header = cursor.peek<kTcpFlagsEnd>();
  if (cursor.failed()) [[unlikely]] {
    return discard_of(cursor);
  }
  packet.source_port = header.be16<0>();
  packet.destination_port = header.be16<2>();
  packet.tcp_flags = header.be16<12>() & 0x0fff;  // RFC 9565: data-offset bits are zero
  return Discard::none;
}

Discard decode_icmp(Cursor& cursor, Packet& packet) noexcept {
  if (!cursor.has(std::min<std::uint64_t>(cursor.claimed(), 2))) {
    return discard_of(cursor);
  }
  if (cursor.claimed() >= 2) {
    packet.icmp_type_code = cursor.peek<2>().be16<0>();
  }
  return Discard::none;
}

}  // namespace

Discard decode_transport(Cursor& cursor, Packet& packet) noexcept {
  if (packet.later_fragment) [[unlikely]] {
    return Discard::none;
  }
  switch (packet.protocol) {
    case Protocol::tcp: return decode_tcp(cursor, packet);
    case Protocol::udp:
    case Protocol::udplite:
    case Protocol::sctp:
    case Protocol::dccp: return decode_ports(cursor, packet);
    case Protocol::icmp: return packet.version == 4 ? decode_icmp(cursor, packet) : Discard::none;
    case Protocol::icmpv6: return packet.version == 6 ? decode_icmp(cursor, packet) : Discard::none;
    default: return Discard::none;
  }
}

Discard decode_frame(const Frame& frame, Packet& packet) noexcept {
  Cursor cursor(frame.data, frame.captured_octets, frame.wire_octets);
  auto discard = decode_link(frame.link_type, cursor, packet.link);
  if (discard == Discard::none) [[likely]] {
    discard = decode_network(cursor, packet);
  }
  if (discard == Discard::none) [[likely]] {
    discard = decode_transport(cursor, packet);
  }
  return discard;
}

HeaderOffsets header_offsets(const Frame& frame) noexcept {
  Cursor cursor(frame.data, frame.captured_octets, frame.wire_octets);
  Packet packet;
  (void)decode_link(frame.link_type, cursor, packet.link);
  const auto network = cursor.offset();
  (void)decode_network(cursor, packet);
  return HeaderOffsets{.network = network, .transport = cursor.offset() - network};
}

}  // namespace spanflow
