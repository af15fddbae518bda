// SPDX-License-Identifier: Apache-2.0
#include "cache/first_packets.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace spanflow;

TEST_CASE("a record's first packets are kept, a later record of the Flow begins again") {
  FirstPackets packets(10, 3, false);
  CHECK(packets.keep(9, 0, {.time_ns = 5, .octets = 40, .direction = 1}));
  CHECK(packets.of(9, 1).size() == 1);
  CHECK(packets.keep(9, 1, {.time_ns = 6, .octets = 41, .direction = 0}));
  CHECK_FALSE(packets.keep(9, 2, {.time_ns = 7, .octets = 42, .direction = 1}));
  CHECK(packets.keep(8, 0, {.time_ns = 1, .octets = 1, .direction = 0}));
  const auto kept = packets.of(9, 1000);
  REQUIRE(kept.size() == 3);
  CHECK(kept[0].time_ns == 5);
  CHECK(kept[2].octets == 42);
  CHECK(packets.keep(9, 0, {.time_ns = 9, .octets = 50, .direction = 0}));
  CHECK(packets.of(9, 1)[0].octets == 50);
  packets.clear();
  CHECK(packets.of(9, 1)[0].octets == 0);
}

TEST_CASE("oriented: gaps from the highest time so far, and nothing where there is no packet") {
  constexpr std::array<KeptPacket, 4> kKept = {{{.time_ns = 100, .octets = 40, .direction = 1},
                                                {.time_ns = 250, .octets = 0xffffffff, .direction = 0},
                                                {.time_ns = 200, .octets = 42, .direction = 1},
                                                {.time_ns = 300, .octets = 43, .direction = 1}}};
  std::array<FirstPacket, 5> out;
  orient(kKept, 1, out);
  constexpr std::array<std::int64_t, 5> kGaps = {0, 150, 0, 50, 0};
  constexpr std::array<int, 5> kDirections = {0, 1, 0, 0, -1};
  for (std::size_t index = 0; index < out.size(); ++index) {
    CAPTURE(index);
    CHECK(out[index].gap_ns == kGaps[index]);
    CHECK(out[index].direction == kDirections[index]);
    CHECK(out[index].octets == (index < 4 ? kKept[index].octets : 0));
    CHECK(out[index].reserved == std::array<std::uint8_t, 3>{});
  }
  orient(kKept, 0, out);
  CHECK(out[0].direction == 1);
  CHECK(out[1].direction == 0);
}
