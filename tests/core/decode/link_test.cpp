// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "decode/decode.hpp"
#include "octets.hpp"

using namespace spanflow;
using spanflow::test::hex;
using spanflow::test::Octets;
using Network = Link::Network;

namespace {

// `offset` is that of the network header, whose first octet ends the octets of a row.
struct Row {
  const char* name;
  std::uint16_t link_type;
  Discard discard;
  Network network;
  std::uint64_t offset;
  std::uint16_t vlan;
};

constexpr const char* kMacs = "02 00 00 00 00 02  02 00 00 00 00 01 ";

}  // namespace

TEST_CASE("link layers") {
  const std::string macs = kMacs;
  const std::string ppp = macs + "8864 11 00 0001 0016 ";
  const std::vector<std::pair<Row, std::string>> rows = {
      {{"ethernet ipv4", 1, Discard::none, Network::ipv4, 14, 0}, macs + "0800 45"},
      {{"ethernet ipv6", 1, Discard::none, Network::ipv6, 14, 0}, macs + "86dd 60"},
      {{"802.1Q", 1, Discard::none, Network::ipv4, 18, 5}, macs + "8100 2005 0800 45"},
      {{"QinQ: the outer tag counts", 1, Discard::none, Network::ipv4, 22, 7}, macs + "88a8 0007 8100 0005 0800 45"},
      {{"eight tags", 1, Discard::none, Network::ipv4, 46, 1},
       macs + "8100 0001 8100 0002 8100 0003 8100 0004 8100 0005 8100 0006 8100 0007 8100 0008 0800 45"},
      {{"nine tags", 1, Discard::unsupported_link, Network::none, 0, 1},
       macs + "8100 0001 8100 0002 8100 0003 8100 0004 8100 0005 8100 0006 8100 0007 8100 0008 8100 0009 0800 45"},
      {{"arp", 1, Discard::non_ip, Network::none, 0, 0}, macs + "0806 00"},
      {{"SNAP", 1, Discard::none, Network::ipv4, 22, 0}, macs + "0030 aaaa03 000000 0800 45"},
      {{"SNAP of a bridge", 1, Discard::none, Network::ipv6, 22, 0}, macs + "0030 aaaa03 0000f8 86dd 60"},
      {{"SNAP of somebody", 1, Discard::non_ip, Network::none, 0, 0}, macs + "0030 aaaa03 00000c 0800 45"},
      {{"LLC ip", 1, Discard::none, Network::ipv4, 17, 0}, macs + "0030 060603 45"},
      {{"LLC spanning tree", 1, Discard::non_ip, Network::none, 0, 0}, macs + "0026 424203 00"},
      {{"mpls, two labels", 1, Discard::none, Network::ipv6, 22, 0}, macs + "8847 00010040 00020140 60"},
      {{"mpls pseudowire", 1, Discard::non_ip, Network::none, 0, 0}, macs + "8847 00010140 00"},
      {{"mpls without an end", 1, Discard::malformed, Network::none, 0, 0}, macs + "8847 00010040"},
      {{"pppoe ipv4", 1, Discard::none, Network::ipv4, 22, 0}, ppp + "0021 45"},
      {{"pppoe ipv6, short protocol", 1, Discard::none, Network::ipv6, 21, 0}, ppp + "57 60"},
      {{"pppoe lcp", 1, Discard::non_ip, Network::none, 0, 0}, ppp + "c021 01"},
      {{"pppoe version 2", 1, Discard::malformed, Network::none, 0, 0}, macs + "8864 21 00 0001 0016 0021 45"},
      {{"pppoe discovery", 1, Discard::non_ip, Network::none, 0, 0}, macs + "8863 11 09 0000 0000"},
      {{"sll", 113, Discard::none, Network::ipv4, 16, 0}, "0000 0001 0006 020000000001 0000 0800 45"},
      {{"sll tag", 113, Discard::none, Network::ipv4, 20, 9}, "0000 0001 0006 020000000001 0000 8100 0009 0800 45"},
      {{"sll2", 276, Discard::none, Network::ipv6, 20, 0}, "86dd 0000 00000003 0001 00 06 020000000001 0000 60"},
      {{"raw", 101, Discard::none, Network::by_version, 0, 0}, "45"},
      {{"raw ipv6", 229, Discard::none, Network::ipv6, 0, 0}, "60"},
      {{"null, little endian", 0, Discard::none, Network::ipv6, 4, 0}, "1e000000 60"},
      {{"null, big endian", 0, Discard::none, Network::ipv4, 4, 0}, "00000002 45"},
      {{"loop", 108, Discard::none, Network::ipv6, 4, 0}, "00000018 60"},
      {{"loop of something", 108, Discard::non_ip, Network::none, 0, 0}, "00000007 60"},
      {{"ppp, framed", 50, Discard::none, Network::ipv4, 4, 0}, "ff03 0021 45"},
      {{"ppp, bare", 9, Discard::none, Network::ipv6, 2, 0}, "0057 60"},
      {{"ppp mpls", 9, Discard::none, Network::ipv4, 6, 0}, "0281 00010140 45"},
      {{"something else", 127, Discard::unsupported_link, Network::none, 0, 0}, "00"},
      {{"half a header", 1, Discard::malformed, Network::none, 0, 0}, "02 00 00 00 00 02 02 00"},
  };
  for (const auto& each : rows) {
    const auto& row = each.first;
    CAPTURE(row.name);
    const auto octets = hex(each.second);
    Cursor cursor(octets.data(), octets.size(), octets.size());
    Link link;
    CHECK(decode_link(row.link_type, cursor, link) == row.discard);
    if (row.discard == Discard::none) {
      CHECK(link.network == row.network);
      CHECK(cursor.offset() == row.offset);
      CHECK(link.vlan_id == row.vlan);
    }
  }
}

TEST_CASE("MAC addresses as the frame has them; a cooked frame has only that of its sender") {
  const auto ethernet = hex(std::string(kMacs) + "0800");
  Cursor cursor(ethernet.data(), ethernet.size(), ethernet.size());
  Link link;
  REQUIRE(decode_link(1, cursor, link) == Discard::none);
  CHECK(link.destination_mac == std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 2});
  CHECK(link.source_mac == std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 1});

  const auto cooked = hex("0000 0001 0006 020000000001 0000 0800");
  Cursor other(cooked.data(), cooked.size(), cooked.size());
  Link from;
  REQUIRE(decode_link(113, other, from) == Discard::none);
  CHECK(from.source_mac == std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 1});
  CHECK(from.destination_mac == std::array<std::uint8_t, 6>{});
}

TEST_CASE("a frame cut by the snap length is truncated, one that is too short on the wire malformed") {
  const auto octets = hex(std::string(kMacs));
  Cursor cut(octets.data(), octets.size(), 60);
  Link link;
  CHECK(decode_link(1, cut, link) == Discard::truncated);
  Cursor runt(octets.data(), octets.size(), octets.size());
  CHECK(decode_link(1, runt, link) == Discard::malformed);
}
