// SPDX-License-Identifier: Apache-2.0
#include "expire/deadlines.hpp"

#include <algorithm>
#include <bit>

namespace spanflow {

DeadlineWheel::DeadlineWheel(std::uint32_t flows, bool preallocate)
    : flows_(flows), links_(std::size_t{flows} + kSlots, preallocate) {
  clear();
}

void DeadlineWheel::clear() noexcept {
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
    links_[flows_ + slot] = Link{.next = flows_ + slot, .previous = flows_ + slot};
  }
  marks_ = {};
  started_ = false;
}

void DeadlineWheel::start(std::int64_t clock_ns) noexcept {
  tick_ = tick_of(clock_ns);
  started_ = true;
}

void DeadlineWheel::mark(std::int64_t tick) noexcept {
  const auto slot = static_cast<std::uint32_t>(tick & (kSlots - 1));
  marks_[slot / 64] |= std::uint64_t{1} << (slot % 64);
}

void DeadlineWheel::insert(std::uint32_t flow, std::int64_t deadline_ns) noexcept {
  const auto tick = std::clamp(tick_of(deadline_ns), tick_, tick_ + std::int64_t{kSlots} - 1);
  const auto first = head(tick);
  const auto last = links_[first].previous;
  links_[flow] = Link{.next = first, .previous = last};
  links_[last].next = flow;
  links_[first].previous = flow;
  mark(tick);
}

void DeadlineWheel::remove(std::uint32_t flow) noexcept {
  const auto link = links_[flow];
  links_[link.previous].next = link.next;
  links_[link.next].previous = link.previous;
}

std::size_t DeadlineWheel::take_due(std::int64_t clock_ns, std::span<std::uint32_t> flows) noexcept {
  const auto target = tick_of(clock_ns);
  // After a jump of more than one turn every slot is due once, whatever its number.
  tick_ = std::max(tick_, target - std::int64_t{kSlots});
  std::size_t taken = 0;
  while (tick_ < target && taken < flows.size()) {
    const auto first = head(tick_);
    auto flow = links_[first].next;
    for (; flow != first && taken < flows.size(); flow = links_[flow].next) {
      flows[taken++] = flow;
    }
    links_[first].next = flow;
    links_[flow].previous = first;
    if (flow == first) {
      const auto slot = static_cast<std::uint32_t>(tick_ & (kSlots - 1));
      marks_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
      ++tick_;
    }
  }
  return taken;
}

std::int64_t DeadlineWheel::next_marked(std::int64_t tick) const noexcept {
  for (const auto end = tick + kSlots; tick < end;) {
    const auto slot = static_cast<std::uint32_t>(tick & (kSlots - 1));
    const auto word = marks_[slot / 64] >> (slot % 64);
    if (word != 0) {
      return tick + std::countr_zero(word);
    }
    tick += 64 - slot % 64;
  }
  return -1;
}

DeadlineWheel::Next DeadlineWheel::next() noexcept {
  for (auto tick = next_marked(tick_); tick >= 0 && tick < tick_ + kSlots; tick = next_marked(tick)) {
    const auto first = head(tick);
    if (links_[first].next != first) {
      return Next{.flow = links_[first].next, .slot_end_ns = ((tick + 1) << kSlotShift) + shift_ns_};
    }
    const auto slot = static_cast<std::uint32_t>(tick & (kSlots - 1));
    marks_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  }
  return Next{.flow = kNone, .slot_end_ns = 0};
}

}  // namespace spanflow
