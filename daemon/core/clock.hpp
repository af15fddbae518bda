// SPDX-License-Identifier: Apache-2.0
// The wall clock of live metering, and the steps that it makes (NTP, a resumed machine).
#pragma once

#include <cstdint>
#include <optional>

namespace spanflow {

// Nanoseconds: since the Unix epoch, and of a clock that never steps.
struct Moment {
  std::int64_t wall_ns;
  std::int64_t steady_ns;
};

// Both clocks at one moment: read again when the reading itself was interrupted.
[[nodiscard]] Moment read_clocks() noexcept;

// Owner: one worker.
class ClockWatch {
 public:
  // How far the wall clock has stepped since the last moment: any step back, or one forward of more than an hour. 0: it
  // has not. A smaller step forward is time that has passed (semantics §6).
  [[nodiscard]] std::int64_t step(const Moment& now) noexcept {
    const auto offset_ns = now.wall_ns - now.steady_ns;
    const auto change_ns = offset_ns_ ? offset_ns - *offset_ns_ : 0;
    offset_ns_ = offset_ns;
    return change_ns < -kNoiseNs || change_ns > kHourNs ? change_ns : 0;
  }

 private:
  static constexpr std::int64_t kNoiseNs = 2'000'000;  // of reading two clocks, and of a clock that is slowed down
  static constexpr std::int64_t kHourNs = 3'600'000'000'000;

  std::optional<std::int64_t> offset_ns_;
};

}  // namespace spanflow
