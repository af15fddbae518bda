// SPDX-License-Identifier: Apache-2.0
// Counters and statistics of a record (semantics §4, §5): what one packet adds, and how a record reads.
//
// Sums, not running means: no division per packet. Sizes are exact: their sum of squares may wrap at 2^64; with n
// packets of mean m it lies in [n·m², n·m² + n·(max − min)²/4], so the wrapped value tells the true one. Gaps are
// squared as far as they are longer than the shortest one so far, for squares of whole gaps (10^18 ns² for 1 s) would
// round away what makes a small deviation. When a shorter one comes, what was summed is moved to it, which adds
// positive terms only.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "cache/flow_record.hpp"
#include "decode/packet.hpp"

namespace spanflow {

inline constexpr int kCoarseShift = 31;  // 2.1 s: what `first_coarse` counts in
inline constexpr std::uint16_t kLargeSize = 0xffff;

inline std::uint32_t coarse(std::int64_t time_ns) noexcept {
  return static_cast<std::uint32_t>(time_ns >> kCoarseShift);
}

// An empty direction of an empty record.
inline void clear_direction(DirectionState& direction) noexcept {
  constexpr auto kNoGap = std::numeric_limits<float>::infinity();
  direction = DirectionState{.packets = 0,
                             .octets = 0,
                             .last_ns = 0,
                             .size_sum_squares = 0,
                             .gap_squares = 0,
                             .gap_min_ns = kNoGap,
                             .gap_max_ns = 0,
                             .both_gap_min_ns = kNoGap,
                             .both_gap_max_ns = 0,
                             .size_min = kLargeSize,
                             .size_max = 0,
                             .tcp_flags = 0,
                             .ttl_min = 0xff,
                             .ttl_max = 0};
}

inline void clear_record(HotFlow& flow) noexcept {
  flow.both_gap_squares = 0;
  clear_direction(flow.directions[0]);
  clear_direction(flow.directions[1]);
}

// The gap that a packet at `time_ns` ends; time that runs backwards counts as 0.
inline double gap_ns(std::int64_t time_ns, std::int64_t last_ns) noexcept {
  return static_cast<double>(std::max<std::int64_t>(time_ns - last_ns, 0));
}

inline void add_size(DirectionState& direction, RareState& rare, std::uint64_t octets) noexcept {
  direction.octets += octets;
  direction.size_sum_squares += octets * octets;
  const auto size = static_cast<std::uint16_t>(std::min<std::uint64_t>(octets, kLargeSize));
  if (size == kLargeSize) [[unlikely]] {
    const auto large = static_cast<std::uint32_t>(std::min<std::uint64_t>(octets, 0xffffffff));
    const auto first = direction.size_max != kLargeSize;
    rare.large_sizes = {.min = first ? large : std::min(rare.large_sizes.min, large),
                        .max = first ? large : std::max(rare.large_sizes.max, large)};
  }
  direction.size_min = std::min(direction.size_min, size);
  direction.size_max = std::max(direction.size_max, size);
}

inline std::uint32_t smallest_size(const DirectionState& direction, const RareState& rare) noexcept {
  if (direction.packets == 0) {
    return 0;
  }
  return direction.size_min == kLargeSize ? rare.large_sizes.min : direction.size_min;
}

inline std::uint32_t largest_size(const DirectionState& direction, const RareState& rare) noexcept {
  return direction.size_max == kLargeSize ? rare.large_sizes.max : direction.size_max;
}

// The highest time stamp of the record so far. It is the Flow's, but for a record that follows an active timeout and
// begins with a packet out of order.
inline std::int64_t record_last_ns(const HotFlow& flow) noexcept {
  if ((flow.state & FlowState::behind) != 0) [[unlikely]] {
    return std::max(flow.directions[0].last_ns, flow.directions[1].last_ns);
  }
  return flow.last_ns;
}

// A packet of a direction that is earlier than all before it: the direction begins with it now. Its gaps are still
// counted from the packet that opened it.
inline void rewind_direction(HotFlow& flow, ColdFlow& cold, std::size_t index, std::int64_t time_ns) noexcept {
  if ((flow.state & FlowState::rewound(index)) == 0) {
    flow.state |= FlowState::rewound(index);
    if (flow.directions[index].size_max != kLargeSize) {
      cold.rare[index].opened_ns = cold.first_ns[index];
    }
  }
  cold.first_ns[index] = time_ns;
}

// Gaps are measured against the highest time so far, so their sum is the way from the packet that opened to the last.
inline std::int64_t gap_sum_ns(const HotFlow& flow, const ColdFlow& cold, std::size_t index,
                               std::int64_t last_ns) noexcept {
  const auto known = (flow.state & FlowState::rewound(index)) != 0 && flow.directions[index].size_max != kLargeSize;
  return last_ns - (known ? cold.rare[index].opened_ns : cold.first_ns[index]);
}

inline std::int64_t both_gap_sum_ns(const HotFlow& flow, const ColdFlow& cold) noexcept {
  const std::size_t opener = (flow.state & FlowState::opened_by_high) != 0 ? 1 : 0;
  return gap_sum_ns(flow, cold, opener, std::max(flow.directions[0].last_ns, flow.directions[1].last_ns));
}

// Gaps of a series: how many, and their sum.
struct Gaps {
  std::uint64_t count;
  std::int64_t sum_ns;

  // The sum of what each is longer than `shortest`, which as a float is a whole number of nanoseconds: exact.
  [[nodiscard]] double excess_over(float shortest_ns) const noexcept {
    return static_cast<double>(sum_ns - static_cast<__int128>(count) * static_cast<std::int64_t>(shortest_ns));
  }
};

inline Gaps gaps_of(const HotFlow& flow, const ColdFlow& cold, std::size_t index) noexcept {
  const auto& direction = flow.directions[index];
  return Gaps{.count = direction.packets - 1, .sum_ns = gap_sum_ns(flow, cold, index, direction.last_ns)};
}

inline Gaps both_gaps_of(const HotFlow& flow, const ColdFlow& cold) noexcept {
  return Gaps{.count = flow.directions[0].packets + flow.directions[1].packets - 1,
              .sum_ns = both_gap_sum_ns(flow, cold)};
}

// A gap that is shorter than all before it, `gaps`: returns the new shortest (not above it) and moves the squares
// there.
inline float recentre(double& squares, float shortest_ns, double gap, const Gaps& gaps) noexcept {
  auto lowest = static_cast<float>(gap);
  if (static_cast<double>(lowest) > gap) {
    lowest = std::nextafter(lowest, 0.0F);
  }
  if (gaps.count > 0) {
    const auto shift = static_cast<double>(shortest_ns) - static_cast<double>(lowest);
    squares += shift * (2 * gaps.excess_over(shortest_ns) + static_cast<double>(gaps.count) * shift);
  }
  return lowest;
}

// The sum of squared deviations from the mean gap, of which the sample deviation is the root of its (count − 1)th part.
inline double squared_deviations(double squares, float shortest_ns, const Gaps& gaps) noexcept {
  if (gaps.count < 2) {
    return 0;
  }
  const auto excess = gaps.excess_over(shortest_ns);
  return std::max(squares - excess * excess / static_cast<double>(gaps.count), 0.0);
}

// The gap of a packet of direction `index` to the one before it in the same direction. Before the packet is counted.
inline void add_gap(HotFlow& flow, const ColdFlow& cold, std::size_t index, double gap) noexcept {
  auto& direction = flow.directions[index];
  if (gap < static_cast<double>(direction.gap_min_ns)) [[unlikely]] {
    direction.gap_min_ns = recentre(direction.gap_squares, direction.gap_min_ns, gap, gaps_of(flow, cold, index));
  }
  const auto excess = gap - static_cast<double>(direction.gap_min_ns);
  direction.gap_squares += excess * excess;
  direction.gap_max_ns = std::max(direction.gap_max_ns, static_cast<float>(gap));
}

// The same for the gap to the packet before it in either direction.
inline void add_both_gap(HotFlow& flow, const ColdFlow& cold, std::size_t index, double gap) noexcept {
  auto& direction = flow.directions[index];
  if (gap < static_cast<double>(direction.both_gap_min_ns)) [[unlikely]] {
    direction.both_gap_min_ns =
        recentre(flow.both_gap_squares, direction.both_gap_min_ns, gap, both_gaps_of(flow, cold));
    flow.directions[1 - index].both_gap_min_ns = direction.both_gap_min_ns;
  }
  const auto excess = gap - static_cast<double>(direction.both_gap_min_ns);
  flow.both_gap_squares += excess * excess;
  direction.both_gap_max_ns = std::max(direction.both_gap_max_ns, static_cast<float>(gap));
}

// The smallest gap, 0 where there is none.
inline float smallest_gap(float gap) noexcept { return gap == std::numeric_limits<float>::infinity() ? 0 : gap; }

}  // namespace spanflow
