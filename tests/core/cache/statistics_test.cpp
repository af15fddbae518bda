// SPDX-License-Identifier: Apache-2.0
#include "cache/statistics.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

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

TEST_CASE("deviations of gaps: exact where they are small beside the gaps, whatever the order") {
  const auto deviation = [](const std::vector<std::int64_t>& gaps) {
    HotFlow flow{};
    ColdFlow cold{};
    clear_record(flow);
    std::int64_t time_ns = 1'700'000'000'000'000'000;
    cold.first_ns[0] = time_ns;
    auto& direction = flow.directions[0];
    direction.last_ns = time_ns;
    direction.packets = 1;
    for (const auto gap : gaps) {
      add_gap(flow, cold, 0, static_cast<double>(gap));
      add_both_gap(flow, cold, 0, static_cast<double>(gap));
      time_ns += gap;
      direction.last_ns = time_ns;
      direction.packets += 1;
    }
    const auto all = gaps_of(flow, cold, 0);
    const auto one = squared_deviations(direction.gap_squares, direction.gap_min_ns, all);
    const auto both = squared_deviations(flow.both_gap_squares, direction.both_gap_min_ns, both_gaps_of(flow, cold));
    CHECK(one == both);
    return std::sqrt(one / static_cast<double>(all.count - 1));
  };
  CHECK(deviation(std::vector<std::int64_t>(1000, 14'999'999'999)) == 0);
  CHECK(deviation({14'999'999'999, 15'000'000'001}) == doctest::Approx(1.41421356));
  CHECK(deviation({15'000'000'001, 14'999'999'999, 15'000'000'000}) == doctest::Approx(1));
  CHECK(deviation({100, 50, 20, 10, 5}) == doctest::Approx(39.3064880140671));
  CHECK(deviation({0, 1'000'000'000, 1'000'000'000, 1'000'000'000}) == doctest::Approx(500'000'000));
}
