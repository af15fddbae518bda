// SPDX-License-Identifier: Apache-2.0
#include "expire/deadlines.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

using namespace spanflow;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kSlotNs = std::int64_t{1} << DeadlineWheel::kSlotShift;

std::vector<std::uint32_t> take_all(DeadlineWheel& wheel, std::int64_t clock_ns) {
  std::vector<std::uint32_t> all;
  std::array<std::uint32_t, 3> some;
  while (const auto count = wheel.take_due(clock_ns, some)) {
    all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count));
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

TEST_CASE("a Flow is due when its slot has ended, not before, and once") {
  DeadlineWheel wheel(10);
  wheel.start(1000 * kSecond);
  wheel.insert(3, 1005 * kSecond);
  CHECK(take_all(wheel, 1005 * kSecond - kSlotNs).empty());
  CHECK(take_all(wheel, 1005 * kSecond + kSlotNs) == std::vector<std::uint32_t>{3});
  CHECK(take_all(wheel, 2000 * kSecond).empty());
}

TEST_CASE("what is removed is not due; a deadline in the past is due next") {
  DeadlineWheel wheel(10);
  wheel.start(1000 * kSecond);
  wheel.insert(1, 1005 * kSecond);
  wheel.insert(2, 1005 * kSecond);
  wheel.insert(4, 1 * kSecond);
  wheel.remove(1);
  CHECK(take_all(wheel, 1001 * kSecond) == std::vector<std::uint32_t>{4});
  CHECK(take_all(wheel, 1006 * kSecond) == std::vector<std::uint32_t>{2});
}

TEST_CASE("a jump of years is one turn") {
  DeadlineWheel wheel(10);
  wheel.start(0);
  for (std::uint32_t flow = 0; flow < 10; ++flow) {
    wheel.insert(flow, flow * 200 * kSecond);
  }
  CHECK(take_all(wheel, 100'000'000 * kSecond).size() == 10);
  CHECK_FALSE(wheel.behind(100'000'000 * kSecond));
}

TEST_CASE("beyond the horizon a Flow waits in the last slot") {
  DeadlineWheel wheel(4);
  wheel.start(0);
  wheel.insert(0, 1'000'000 * kSecond);
  CHECK(take_all(wheel, 1000 * kSecond).empty());
  CHECK(take_all(wheel, DeadlineWheel::kSlots * kSlotNs) == std::vector<std::uint32_t>{0});
}

TEST_CASE("next is the first on the wheel") {
  DeadlineWheel wheel(10);
  wheel.start(0);
  CHECK(wheel.next().flow == DeadlineWheel::kNone);
  wheel.insert(5, 900 * kSecond);
  wheel.insert(6, 30 * kSecond);
  CHECK(wheel.next().flow == 6);
  CHECK(wheel.next().slot_end_ns > 30 * kSecond);
  wheel.remove(6);
  CHECK(wheel.next().flow == 5);
}

TEST_CASE("a random life: nobody is early by more than a slot, late by more than a slot, or lost") {
  constexpr std::uint32_t kFlows = 500;
  DeadlineWheel wheel(kFlows);
  wheel.start(0);
  std::mt19937_64 random(7);
  std::vector<std::int64_t> deadline(kFlows);
  for (std::uint32_t flow = 0; flow < kFlows; ++flow) {
    deadline[flow] = static_cast<std::int64_t>(random() % (400 * kSecond));
    wheel.insert(flow, deadline[flow]);
  }
  for (std::int64_t clock = 0; clock < 3000 * kSecond; clock += static_cast<std::int64_t>(random() % (2 * kSecond))) {
    std::array<std::uint32_t, 16> due;
    while (const auto count = wheel.take_due(clock, due)) {
      for (std::size_t index = 0; index < count; ++index) {
        const auto flow = due[index];
        REQUIRE(deadline[flow] < clock);
        deadline[flow] = clock + static_cast<std::int64_t>(random() % (400 * kSecond));
        wheel.insert(flow, deadline[flow]);
      }
    }
    for (const auto each : deadline) {
      REQUIRE(each >= clock - kSlotNs);
    }
  }
}
