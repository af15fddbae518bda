// SPDX-License-Identifier: Apache-2.0
#include "decode/fragments.hpp"

#include <doctest/doctest.h>

using namespace spanflow;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

Packet fragment(std::uint32_t identification, std::uint16_t port, std::uint16_t vlan = 0) {
  Packet packet;
  packet.source = Address::mapped(1);
  packet.destination = Address::mapped(2);
  packet.protocol = packet.fragment_protocol = 17;
  packet.identification = identification;
  packet.source_port = port;
  packet.destination_port = 53;
  packet.link.vlan_id = vlan;
  return packet;
}

bool complete(const FragmentTable& table, std::uint32_t identification, std::int64_t time_ns, std::uint16_t expected,
              std::uint16_t vlan = 0) {
  auto later = fragment(identification, 0, vlan);
  later.destination_port = 0;
  return table.complete(later, time_ns) && later.source_port == expected && later.destination_port == 53;
}

}  // namespace

TEST_CASE("a later fragment gets the ports of its first for 30 s") {
  FragmentTable table(16, false, HashSecret{});
  table.remember(fragment(7, 1000), 100 * kSecond);
  CHECK(complete(table, 7, 100 * kSecond, 1000));
  CHECK(complete(table, 7, 130 * kSecond, 1000));
  CHECK_FALSE(complete(table, 7, 130 * kSecond + 1, 1000));
  CHECK_FALSE(complete(table, 8, 100 * kSecond, 1000));
}

TEST_CASE("the other direction is another packet") {
  FragmentTable table(16, false, HashSecret{});
  table.remember(fragment(7, 1000), 0);
  auto back = fragment(7, 0);
  std::swap(back.source, back.destination);
  CHECK_FALSE(table.complete(back, 0));
}

TEST_CASE("of two firsts with one name the later counts") {
  FragmentTable table(16, false, HashSecret{});
  table.remember(fragment(7, 1000), 0);
  table.remember(fragment(7, 2000), 1);
  CHECK(complete(table, 7, 2, 2000));
}

TEST_CASE("the VLAN counts only where it is part of the key") {
  FragmentTable without(16, false, HashSecret{});
  without.remember(fragment(7, 1000, 5), 0);
  CHECK(complete(without, 7, 0, 1000, 6));
  FragmentTable with(16, true, HashSecret{});
  with.remember(fragment(7, 1000, 5), 0);
  CHECK(complete(with, 7, 0, 1000, 5));
  CHECK_FALSE(complete(with, 7, 0, 1000, 6));
}

TEST_CASE("a first fragment that comes again takes no second place, and is the newest") {
  FragmentTable table(2, false, HashSecret{});
  table.remember(fragment(1, 1001), 0);
  table.remember(fragment(2, 1002), 0);
  table.remember(fragment(2, 1002), 1);
  CHECK(complete(table, 1, 1, 1001));
  table.remember(fragment(1, 1001), 2);
  table.remember(fragment(3, 1003), 3);
  CHECK(complete(table, 1, 3, 1001));
  CHECK_FALSE(complete(table, 2, 3, 1002));
}

TEST_CASE("the table is bounded, the oldest goes") {
  FragmentTable table(4, false, HashSecret{});
  for (std::uint32_t identification = 0; identification < 6; ++identification) {
    table.remember(fragment(identification, static_cast<std::uint16_t>(1000 + identification)), 0);
  }
  CHECK_FALSE(complete(table, 0, 0, 1000));
  CHECK_FALSE(complete(table, 1, 0, 1001));
  for (std::uint32_t identification = 2; identification < 6; ++identification) {
    CHECK(complete(table, identification, 0, static_cast<std::uint16_t>(1000 + identification)));
  }
}

TEST_CASE("an IPv6 address that is a mapped IPv4 one is another address") {
  FragmentTable table(1, false, HashSecret{});  // one bucket, so that nothing else tells them apart
  auto first = fragment(7, 1000);
  first.version = 6;
  table.remember(first, 0);
  auto later = fragment(7, 0);
  later.version = 4;
  CHECK_FALSE(table.complete(later, 0));
  later.version = 6;
  CHECK(table.complete(later, 0));
}
