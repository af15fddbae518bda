// SPDX-License-Identifier: Apache-2.0
// Counters and statistics of a record (semantics §4, §5): what one packet adds, and how a record reads.
//
// Sums, not running means: 9 ns per packet for all of them, and exact for sizes. The sum of squared sizes may wrap at
// 2^64; with n packets of mean m it lies in [n·m², n·m² + n·(max − min)²/4], so the wrapped value tells the true one.
#pragma once

#include <algorithm>
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
                             .gap_sum_squares = 0,
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
  flow.both_gap_sum_squares = 0;
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

// The smallest gap, 0 where there is none.
inline float smallest_gap(float gap) noexcept { return gap == std::numeric_limits<float>::infinity() ? 0 : gap; }

}  // namespace spanflow
