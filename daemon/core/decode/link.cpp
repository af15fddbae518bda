// SPDX-License-Identifier: Apache-2.0
// Link layers: Ethernet II, 802.3 LLC/SNAP, 802.1Q/ad, MPLS, PPPoE, PPP, Linux cooked v1/v2, raw IP, BSD loopback.
#include "decode/decode.hpp"

namespace spanflow {
namespace {

// LINKTYPE_ numbers; DLT_RAW has three spellings on disk.
struct LinkType {
  static constexpr std::uint16_t null = 0;
  static constexpr std::uint16_t ethernet = 1;
  static constexpr std::uint16_t ppp = 9;
  static constexpr std::uint16_t raw_bsd = 12;
  static constexpr std::uint16_t raw_openbsd = 14;
  static constexpr std::uint16_t ppp_hdlc = 50;
  static constexpr std::uint16_t raw = 101;
  static constexpr std::uint16_t loop = 108;
  static constexpr std::uint16_t linux_sll = 113;
  static constexpr std::uint16_t ipv4 = 228;
  static constexpr std::uint16_t ipv6 = 229;
  static constexpr std::uint16_t linux_sll2 = 276;
};

struct EtherType {
  static constexpr std::uint16_t largest_length = 1500;
  static constexpr std::uint16_t ipv4 = 0x0800;
  static constexpr std::uint16_t vlan = 0x8100;
  static constexpr std::uint16_t ipv6 = 0x86dd;
  static constexpr std::uint16_t mpls = 0x8847;
  static constexpr std::uint16_t mpls_multicast = 0x8848;
  static constexpr std::uint16_t pppoe_session = 0x8864;
  static constexpr std::uint16_t service_vlan = 0x88a8;
  static constexpr std::uint16_t old_service_vlan = 0x9100;
};

constexpr int kMaxTags = 8;

Discard network_is(Link& link, Link::Network network) noexcept {
  link.network = network;
  return Discard::none;
}

// MPLS has no next-protocol field: the first nibble after the stack decides (network layer).
Discard decode_mpls(Cursor& cursor, Link& link) noexcept {
  for (;;) {
    const auto entry = cursor.take<4>();
    if (cursor.failed()) {
      return discard_of(cursor);
    }
    if ((entry.u8<2>() & 0x01) != 0) {
      break;
    }
  }
  const auto nibble = cursor.peek<1>().u8<0>() >> 4;
  if (cursor.failed()) {
    return discard_of(cursor);
  }
  switch (nibble) {
    case 4: return network_is(link, Link::Network::ipv4);
    case 6: return network_is(link, Link::Network::ipv6);
    default: return Discard::non_ip;
  }
}

// RFC 1661 section 2: the protocol field is 1 octet when its first octet is odd.
Discard decode_ppp(Cursor& cursor, Link& link) noexcept {
  const auto first = cursor.peek<1>().u8<0>();
  std::uint16_t protocol = first;
  if ((first & 0x01) != 0) {
    cursor.skip(1);
  } else {
    protocol = cursor.take<2>().be16<0>();
  }
  if (cursor.failed()) {
    return discard_of(cursor);
  }
  switch (protocol) {
    case 0x0021: return network_is(link, Link::Network::ipv4);
    case 0x0057: return network_is(link, Link::Network::ipv6);
    case 0x0281: return decode_mpls(cursor, link);
    default: return Discard::non_ip;
  }
}

// RFC 2516: version 1, type 1, code 0 in a session.
Discard decode_pppoe(Cursor& cursor, Link& link) noexcept {
  const auto header = cursor.take<6>();
  if (cursor.failed()) {
    return discard_of(cursor);
  }
  if (header.u8<0>() != 0x11 || header.u8<1>() != 0) {
    return Discard::malformed;
  }
  return decode_ppp(cursor, link);
}

// 802.2 LLC: SNAP with an EtherType, or IP by its own SAP.
Discard decode_llc(Cursor& cursor, std::uint16_t& ether_type) noexcept {
  const auto llc = cursor.take<3>();
  if (cursor.failed()) {
    return discard_of(cursor);
  }
  if (llc.be16<0>() == 0x0606) {
    ether_type = EtherType::ipv4;
    return Discard::none;
  }
  if (llc.be16<0>() != 0xaaaa) {
    return Discard::non_ip;
  }
  const auto snap = cursor.take<5>();
  if (cursor.failed()) {
    return discard_of(cursor);
  }
  const auto oui = snap.be32<0>() >> 8;
  if (oui != 0x000000 && oui != 0x0000f8) {
    return Discard::non_ip;
  }
  ether_type = snap.be16<3>();
  return Discard::none;
}

Discard decode_ether_type(std::uint16_t ether_type, Cursor& cursor, Link& link) noexcept {
  for (int tags = 0;;) {
    switch (ether_type) {
      case EtherType::ipv4: return network_is(link, Link::Network::ipv4);
      case EtherType::ipv6: return network_is(link, Link::Network::ipv6);
      case EtherType::vlan:
      case EtherType::service_vlan:
      case EtherType::old_service_vlan: {
        if (++tags > kMaxTags) {
          return Discard::unsupported_link;
        }
        const auto tag = cursor.take<4>();
        if (cursor.failed()) {
          return discard_of(cursor);
        }
        if (tags == 1) {
          link.vlan_id = tag.be16<0>() & 0x0fff;
        }
        ether_type = tag.be16<2>();
        break;
      }
      case EtherType::mpls:
      case EtherType::mpls_multicast: return decode_mpls(cursor, link);
      case EtherType::pppoe_session: return decode_pppoe(cursor, link);
      default: {
        if (ether_type > EtherType::largest_length) {
          return Discard::non_ip;
        }
        if (const auto discard = decode_llc(cursor, ether_type); discard != Discard::none) {
          return discard;
        }
        if (ether_type <= EtherType::largest_length) {
          return Discard::non_ip;  // a length inside SNAP is not one more LLC header
        }
      }
    }
  }
}

Discard decode_ethernet(Cursor& cursor, Link& link) noexcept {
  const auto header = cursor.take<14>();
  if (cursor.failed()) {
    return discard_of(cursor);
  }
  header.copy<0, 6>(link.destination_mac.data());
  header.copy<6, 6>(link.source_mac.data());
  return decode_ether_type(header.be16<12>(), cursor, link);
}

// Linux cooked captures carry a link address of the sender only.
template <std::size_t Size, std::size_t ProtocolAt, std::size_t AddressLengthAt, std::size_t AddressAt>
Discard decode_cooked(Cursor& cursor, Link& link, bool wide_length) noexcept {
  const auto header = cursor.take<Size>();
  if (cursor.failed()) {
    return discard_of(cursor);
  }
  const auto address_octets =
      wide_length ? header.template be16<AddressLengthAt>() : header.template u8<AddressLengthAt>();
  if (address_octets == 6) {
    header.template copy<AddressAt, 6>(link.source_mac.data());
  }
  const auto protocol = header.template be16<ProtocolAt>();
  if (protocol <= EtherType::largest_length) {
    // 4 is LINUX_SLL_P_802_2, an LLC header; the other small numbers are not IP.
    std::uint16_t ether_type = 0;
    if (protocol != 4) {
      return Discard::non_ip;
    }
    if (const auto discard = decode_llc(cursor, ether_type); discard != Discard::none) {
      return discard;
    }
    return ether_type <= EtherType::largest_length ? Discard::non_ip : decode_ether_type(ether_type, cursor, link);
  }
  return decode_ether_type(protocol, cursor, link);
}

// The address family, in the byte order of the capturing host (NULL) or in network order (LOOP). IPv6 is 10, 24, 28
// or 30, as the operating system has it.
Discard decode_loopback(Cursor& cursor, Link& link, bool network_order) noexcept {
  const auto raw = cursor.take<4>().be32<0>();
  if (cursor.failed()) {
    return discard_of(cursor);
  }
  const auto family = network_order || raw < 0x10000 ? raw : __builtin_bswap32(raw);
  switch (family) {
    case 2: return network_is(link, Link::Network::ipv4);
    case 10:
    case 24:
    case 28:
    case 30: return network_is(link, Link::Network::ipv6);
    default: return Discard::non_ip;
  }
}

// RFC 1662 address and control octets (0xff 0x03) may or may not be there.
Discard decode_ppp_framed(Cursor& cursor, Link& link) noexcept {
  if (cursor.peek<2>().be16<0>() == 0xff03) {
    cursor.skip(2);
  }
  return cursor.failed() ? discard_of(cursor) : decode_ppp(cursor, link);
}

}  // namespace

bool link_type_supported(std::uint16_t link_type) noexcept {
  switch (link_type) {
    case LinkType::null:
    case LinkType::ethernet:
    case LinkType::ppp:
    case LinkType::raw_bsd:
    case LinkType::raw_openbsd:
    case LinkType::ppp_hdlc:
    case LinkType::raw:
    case LinkType::loop:
    case LinkType::linux_sll:
    case LinkType::ipv4:
    case LinkType::ipv6:
    case LinkType::linux_sll2: return true;
    default: return false;
  }
}

Discard decode_link(std::uint16_t link_type, Cursor& cursor, Link& link) noexcept {
  switch (link_type) {
    case LinkType::ethernet: return decode_ethernet(cursor, link);
    case LinkType::linux_sll: return decode_cooked<16, 14, 4, 6>(cursor, link, true);
    case LinkType::linux_sll2: return decode_cooked<20, 0, 11, 12>(cursor, link, false);
    case LinkType::raw_bsd:
    case LinkType::raw_openbsd:
    case LinkType::raw: return network_is(link, Link::Network::by_version);
    case LinkType::ipv4: return network_is(link, Link::Network::ipv4);
    case LinkType::ipv6: return network_is(link, Link::Network::ipv6);
    case LinkType::null: return decode_loopback(cursor, link, false);
    case LinkType::loop: return decode_loopback(cursor, link, true);
    case LinkType::ppp:
    case LinkType::ppp_hdlc: return decode_ppp_framed(cursor, link);
    default: return Discard::unsupported_link;
  }
}

}  // namespace spanflow
