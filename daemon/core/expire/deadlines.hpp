// SPDX-License-Identifier: Apache-2.0
// The timer wheel: one lazy wheel holds the next deadline of every Flow; a packet never touches it.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "memory_region.hpp"

namespace spanflow {

// Owner: one metering worker. Each cached Flow stands in exactly one slot, by its index. A slot says only "look again
// not later than": the Flow's own times decide. Links are 8 octets in an array of their own, so that walking a slot
// does not pull the Flows through the processor's cache one after the other.
class DeadlineWheel {
 public:
  static constexpr int kSlotShift = 28;          // a slot is 2^28 ns = 0.27 s
  static constexpr std::uint32_t kSlots = 4096;  // horizon 18 min; later deadlines wait in the last slot
  static constexpr std::uint32_t kNone = 0xffffffff;

  explicit DeadlineWheel(std::uint32_t flows, bool preallocate = false);

  // Where the wheel stands before its first Flow comes.
  void start(std::int64_t clock_ns) noexcept;
  [[nodiscard]] bool started() const noexcept { return started_; }

  // The clock has made a step (NTP, a resumed machine): every Flow keeps the time that it had left.
  void step_clock(std::int64_t step_ns) noexcept { shift_ns_ += step_ns; }

  void insert(std::uint32_t flow, std::int64_t deadline_ns) noexcept;
  void remove(std::uint32_t flow) noexcept;

  // Is there a slot that ended before `clock_ns` and has not been taken?
  [[nodiscard]] bool behind(std::int64_t clock_ns) const noexcept { return tick_of(clock_ns) > tick_; }

  // Takes up to `flows.size()` Flows out of slots that ended before `clock_ns`. 0: none is left, and the wheel stands
  // at `clock_ns`. Each that was taken is to be inserted again, with a deadline not before `clock_ns`, or forgotten.
  [[nodiscard]] std::size_t take_due(std::int64_t clock_ns, std::span<std::uint32_t> flows) noexcept;

  // The Flow that stands first on the wheel (kNone: there is none), and where its slot ends.
  struct Next {
    std::uint32_t flow;
    std::int64_t slot_end_ns;
  };
  [[nodiscard]] Next next() noexcept;

  // Forgets every Flow. Not started any more.
  void clear() noexcept;

 private:
  struct Link {
    std::uint32_t next;
    std::uint32_t previous;
  };

  [[nodiscard]] std::int64_t tick_of(std::int64_t time_ns) const noexcept {
    return (time_ns - shift_ns_) >> kSlotShift;
  }
  [[nodiscard]] std::uint32_t head(std::int64_t tick) const noexcept {
    return flows_ + static_cast<std::uint32_t>(tick & (kSlots - 1));
  }
  void mark(std::int64_t tick) noexcept;
  [[nodiscard]] std::int64_t next_marked(std::int64_t tick) const noexcept;

  std::uint32_t flows_;
  Region<Link> links_;                              // of the Flows, then the heads of the slots (rings)
  std::array<std::uint64_t, kSlots / 64> marks_{};  // slots that may hold a Flow
  std::int64_t tick_ = 0;
  std::int64_t shift_ns_ = 0;  // all steps of the clock: the wheel itself turns evenly
  bool started_ = false;
};

}  // namespace spanflow
