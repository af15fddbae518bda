// SPDX-License-Identifier: Apache-2.0
#include "clock.hpp"

#include <chrono>

namespace spanflow {
namespace {

template <typename Clock>
std::int64_t now_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

}  // namespace

Moment read_clocks() noexcept {
  constexpr std::int64_t kInterruptedNs = 500'000;
  constexpr int kAttempts = 8;
  Moment moment{};
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    moment.steady_ns = now_ns<std::chrono::steady_clock>();
    moment.wall_ns = now_ns<std::chrono::system_clock>();
    if (now_ns<std::chrono::steady_clock>() - moment.steady_ns < kInterruptedNs) {
      break;
    }
  }
  return moment;
}

}  // namespace spanflow
