// SPDX-License-Identifier: Apache-2.0
#include "clock.hpp"

#include <doctest/doctest.h>

using namespace spanflow;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kHour = 3600 * kSecond;

}  // namespace

TEST_CASE("steps of the wall clock: any back, forward of more than an hour") {
  struct Row {
    const char* name;
    std::int64_t step_ns;
    bool counts;
  };
  const Row rows[] = {
      {"none", 0, false},
      {"slowed down by NTP", -kSecond / 10'000, false},
      {"back by 10 ms", -kSecond / 100, true},
      {"back by a day", -24 * kHour, true},
      {"forward by a minute", 60 * kSecond, false},
      {"forward by an hour", kHour, false},
      {"forward by more", kHour + 1, true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    ClockWatch watch;
    CHECK(watch.step({.wall_ns = 1000 * kHour, .steady_ns = 0}) == 0);
    CHECK(watch.step({.wall_ns = 1000 * kHour + 5 * kSecond, .steady_ns = 5 * kSecond}) == 0);
    const auto step = watch.step({.wall_ns = 1000 * kHour + 6 * kSecond + row.step_ns, .steady_ns = 6 * kSecond});
    CHECK(step == (row.counts ? row.step_ns : 0));
    // It is told once.
    CHECK(watch.step({.wall_ns = 1000 * kHour + 7 * kSecond + row.step_ns, .steady_ns = 7 * kSecond}) == 0);
  }
}

TEST_CASE("both clocks are read together") {
  const auto first = read_clocks();
  const auto second = read_clocks();
  CHECK(second.steady_ns >= first.steady_ns);
  CHECK(first.wall_ns > 1'700'000'000 * kSecond);
}
