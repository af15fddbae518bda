// SPDX-License-Identifier: Apache-2.0
#include "cache/statistics.hpp"

#include <doctest/doctest.h>

using namespace spanflow;

TEST_CASE("sizes: exact below and above 16 bits") {
  DirectionState direction;
  RareState rare{};
  clear_direction(direction);
  CHECK(smallest_size(direction, rare) == 0);
  CHECK(largest_size(direction, rare) == 0);
  const auto add = [&](std::uint64_t octets) {
    direction.packets += 1;
    add_size(direction, rare, octets);
  };
  add(70'000);
  CHECK(smallest_size(direction, rare) == 70'000);
  add(65'535);
  CHECK(smallest_size(direction, rare) == 65'535);
  CHECK(largest_size(direction, rare) == 70'000);
  add(65'534);
  add(40);
  CHECK(smallest_size(direction, rare) == 40);
  CHECK(largest_size(direction, rare) == 70'000);
  CHECK(direction.octets == 70'000 + 65'535 + 65'534 + 40);
  CHECK(direction.size_sum_squares == 70'000ULL * 70'000 + 65'535ULL * 65'535 + 65'534ULL * 65'534 + 1'600);
}

TEST_CASE("a new record forgets large sizes") {
  DirectionState direction;
  RareState rare{};
  clear_direction(direction);
  direction.packets = 1;
  add_size(direction, rare, 100'000);
  clear_direction(direction);
  direction.packets = 1;
  add_size(direction, rare, 80'000);
  CHECK(smallest_size(direction, rare) == 80'000);
  CHECK(largest_size(direction, rare) == 80'000);
}

TEST_CASE("gaps: backwards counts as 0, none is 0") {
  CHECK(gap_ns(5, 10) == 0);
  CHECK(gap_ns(10, 5) == 5);
  DirectionState direction;
  clear_direction(direction);
  CHECK(smallest_gap(direction.gap_min_ns) == 0);
}

TEST_CASE("coarse time never says later than it is") {
  CHECK(coarse(0) == 0);
  CHECK((std::int64_t{coarse(1'700'000'000'123'456'789)} << kCoarseShift) <= 1'700'000'000'123'456'789);
}
