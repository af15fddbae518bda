// SPDX-License-Identifier: Apache-2.0
// When a record leaves (semantics §6): the deadlines of a Flow, and how TCP ends.
#pragma once

#include <cstdint>

#include "cache/flow_record.hpp"

namespace spanflow {

inline constexpr std::int64_t kNever = std::int64_t{1} << 61;  // added to any time stamp it does not overflow

// In nanoseconds; kNever switches one off. `tcp_linger_ns` 0: an ended Flow leaves at once.
struct Timeouts {
  std::int64_t active_ns = 60'000'000'000;
  std::int64_t inactive_ns = 15'000'000'000;
  std::int64_t tcp_linger_ns = 2'000'000'000;
  std::int64_t tcp_fin_timeout_ns = kNever;
};

struct Deadline {
  std::int64_t time_ns;
  EndDetail detail;

  // A linger is over after its deadline, every other deadline counts as reached at its very time.
  [[nodiscard]] bool reached_at(std::int64_t time) const noexcept {
    return detail == EndDetail::fin || detail == EndDetail::rst ? time > time_ns : time >= time_ns;
  }
};

// The earliest deadline of a Flow. On a tie: idle, active, fin_timeout.
[[nodiscard]] Deadline next_deadline(const HotFlow& flow, const ColdFlow& cold, const Timeouts& timeouts) noexcept;

// Follows FIN and RST. True when this segment changes a deadline: the Flow ends with it, or is half closed now.
bool follow_tcp(HotFlow& flow, ColdFlow& cold, std::size_t direction, std::uint16_t flags,
                std::int64_t time_ns) noexcept;

}  // namespace spanflow
