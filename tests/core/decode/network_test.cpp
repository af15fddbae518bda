// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "decode/decode.hpp"
#include "octets.hpp"

using namespace spanflow;
using spanflow::test::hex;
using spanflow::test::Octets;
using spanflow::test::operator+;
using spanflow::test::zeros;

namespace {

constexpr std::uint16_t kRaw = 101;

struct Result {
  Discard discard;
  Packet packet;
};

// Decodes a raw IP packet of which `captured` octets are there (all, if 0) and that had `wire` octets (as many, if 0).
Result decode(const Octets& octets, std::size_t captured = 0, std::size_t wire = 0) {
  // A copy of exactly the captured octets: a read past them is a heap overflow for a sanitizer.
  const Octets there(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(captured ? captured : octets.size()));
  Result result{.discard = Discard::none, .packet = {}};
  result.discard = decode_frame(Frame{.data = there.data(),
                                      .captured_octets = static_cast<std::uint32_t>(there.size()),
                                      .wire_octets = static_cast<std::uint32_t>(wire ? wire : octets.size()),
                                      .link_type = kRaw},
                                result.packet);
  return result;
}

Octets ipv4(const std::string& length, const std::string& fragment, const std::string& protocol,
            const Octets& payload) {
  return hex("45 b8 " + length + " 1234 " + fragment + " 40 " + protocol + " 0000 0a000001 0a000002") + payload;
}

Octets ipv6(const std::string& length, const std::string& next, const Octets& payload) {
  return hex("6b80 0000 " + length + next + " 3f 20010db8000000000000000000000001 20010db8000000000000000000000002") +
         payload;
}

const Octets kTcp = hex("0050 c000 00000001 00000002 5012 ffff 0000 0000");
const Octets kUdp = hex("0035 c000 0008 0000");

}  // namespace

TEST_CASE("IPv4: everything a Flow needs") {
  const auto [discard, packet] = decode(ipv4("0028", "0000", "06", kTcp));
  CHECK(discard == Discard::none);
  CHECK(packet.version == 4);
  CHECK(packet.octets == 40);
  CHECK(packet.class_of_service == 0xb8);
  CHECK(packet.ttl == 0x40);
  CHECK(packet.source_port == 0x0050);
  CHECK(packet.destination_port == 0xc000);
  CHECK(packet.tcp_flags == 0x012);
  CHECK(packet.source == Address::mapped(0x0100000a));
}

TEST_CASE("IPv4: lengths") {
  SUBCASE("padding after the packet never counts") {
    CHECK(decode(ipv4("001c", "0000", "11", kUdp) + zeros(18)).packet.octets == 28);
  }
  SUBCASE("total length 0 is what is on the wire") {
    CHECK(decode(ipv4("0000", "0000", "06", kTcp), 40, 65'000).packet.octets == 65'000);
  }
  SUBCASE("a length beyond the wire counts as the header says") {
    CHECK(decode(ipv4("05dc", "0000", "06", kTcp)).packet.octets == 1500);
  }
  SUBCASE("shorter than its header") { CHECK(decode(ipv4("0013", "0000", "06", kTcp)).discard == Discard::malformed); }
  SUBCASE("version 5") {
    auto octets = ipv4("0028", "0000", "06", kTcp);
    octets[0] = std::byte{0x55};
    CHECK(decode(octets).discard == Discard::malformed);
  }
  SUBCASE("IHL 4") {
    auto octets = ipv4("0028", "0000", "06", kTcp);
    octets[0] = std::byte{0x44};
    CHECK(decode(octets).discard == Discard::malformed);
  }
  SUBCASE("no room for ports") { CHECK(decode(ipv4("0017", "0000", "11", kUdp)).discard == Discard::malformed); }
  SUBCASE("ports and no flags: a tiny first fragment") {
    const auto [discard, packet] = decode(ipv4("001c", "2000", "06", kTcp));
    CHECK(discard == Discard::none);
    CHECK(packet.first_fragment);
    CHECK(packet.source_port == 0x0050);
    CHECK(packet.tcp_flags == 0);
  }
}

TEST_CASE("IPv4: a snap length that cuts a header we need truncates, one that cuts payload costs nothing") {
  const auto whole = ipv4("0064", "0000", "06", kTcp);
  CHECK(decode(whole, 19, 100).discard == Discard::truncated);
  CHECK(decode(whole, 23, 100).discard == Discard::truncated);
  CHECK(decode(whole, 33, 100).discard == Discard::truncated);
  CHECK(decode(whole, 34, 100).discard == Discard::none);
  CHECK(decode(whole, 34, 100).packet.octets == 100);
}

TEST_CASE("IPv4: fragments") {
  CHECK(decode(ipv4("001c", "4000", "11", kUdp)).packet.first_fragment == false);
  const auto later = decode(ipv4("001c", "2001", "11", kUdp));
  CHECK(later.discard == Discard::none);
  CHECK(later.packet.later_fragment);
  CHECK(later.packet.source_port == 0);
  CHECK(later.packet.identification == 0x1234);
}

TEST_CASE("ICMP: type and code; none in two octets too few; other protocols have no ports") {
  CHECK(decode(ipv4("001c", "0000", "01", hex("0800 0000 0000 0000"))).packet.icmp_type_code == 0x0800);
  CHECK(decode(ipv4("0015", "0000", "01", hex("08"))).packet.icmp_type_code == 0);
  CHECK(decode(ipv4("0018", "0000", "2f", hex("0000 0800"))).packet.source_port == 0);
  CHECK(decode(ipv6("0004", "3a", hex("8000 0000"))).packet.icmp_type_code == 0x8000);
  CHECK(decode(ipv4("0018", "0000", "3a", hex("8000 0000"))).packet.icmp_type_code == 0);
}

TEST_CASE("IPv6: extension headers are skipped, the header's destination counts") {
  const auto [discard, packet] = decode(
      ipv6("0022", "00", hex("2b 00 000000000000  33 00 000000000000  06 02 0000 00000000 00000000 00000000") + kTcp));
  // hop-by-hop (8), routing (8), AH (16), then TCP (20): more than the payload length says
  CHECK(discard == Discard::malformed);
  const auto sound = decode(
      ipv6("0034", "00", hex("2b 00 000000000000  33 00 000000000000  06 02 0000 00000000 00000000 00000000") + kTcp));
  CHECK(sound.discard == Discard::none);
  CHECK(sound.packet.protocol == 6);
  CHECK(sound.packet.tcp_flags == 0x012);
  CHECK(sound.packet.octets == 92);
  CHECK(sound.packet.class_of_service == 0xb8);
  CHECK(sound.packet.ttl == 0x3f);
}

TEST_CASE("IPv6: what is no extension header is the protocol") {
  CHECK(decode(ipv6("0008", "32", zeros(8))).packet.protocol == 50);
  CHECK(decode(ipv6("0000", "3b", {})).packet.protocol == 59);
  CHECK(decode(ipv6("0008", "87", zeros(8))).packet.protocol == 135);
}

TEST_CASE("IPv6: after 16 extension headers the protocol is the header reached") {
  Octets headers;
  for (int index = 0; index < 17; ++index) {
    headers = headers + hex("3c 00 000000000000");
  }
  const auto [discard, packet] = decode(ipv6("0088", "3c", headers));
  CHECK(discard == Discard::none);
  CHECK(packet.protocol == 60);
}

TEST_CASE("IPv6: fragments") {
  const auto first = decode(ipv6("0010", "2c", hex("11 00 0001 00000007") + kUdp)).packet;
  CHECK(first.first_fragment);
  CHECK(first.destination_port == 0xc000);
  const auto later = decode(ipv6("0010", "2c", hex("11 00 0008 00000007") + kUdp)).packet;
  CHECK(later.later_fragment);
  CHECK(later.identification == 7);
  CHECK(later.source_port == 0);
  const auto atomic = decode(ipv6("0010", "2c", hex("11 00 0000 00000007") + kUdp)).packet;
  CHECK_FALSE(atomic.first_fragment);
  CHECK(atomic.source_port == 0x0035);
}

TEST_CASE("IPv6: payload length 0") {
  SUBCASE("is 40 octets") { CHECK(decode(ipv6("0000", "3b", zeros(6))).packet.octets == 40); }
  SUBCASE("says the jumbo option") {
    const auto packet = decode(ipv6("0000", "00", hex("06 00 c2 04 00010000") + kTcp), 0, 70'000).packet;
    CHECK(packet.octets == 40 + 65'536);
    CHECK(packet.tcp_flags == 0x012);
  }
  SUBCASE("and a whole TCP header: the sender left it to offload") {
    CHECK(decode(ipv6("0000", "06", kTcp), 60, 9'000).packet.octets == 9'000);
  }
  SUBCASE("and padding only: no ports") { CHECK(decode(ipv6("0000", "06", zeros(6))).discard == Discard::malformed); }
}
