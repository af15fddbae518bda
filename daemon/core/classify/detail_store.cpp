// SPDX-License-Identifier: Apache-2.0
#include "classify/detail_store.hpp"

#include <algorithm>

namespace spanflow {

std::uint32_t DetailStore::cells_in(std::size_t octets) noexcept {
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(octets / sizeof(Cell), 1, kNone - 1));
}

std::uint32_t DetailStore::put(std::span<const std::byte> octets) noexcept {
  constexpr auto kContent = sizeof(Cell::content);
  const auto needed = needed_for(octets.size());
  if (needed == 0 || needed > capacity_ - in_use_) {
    return kNone;
  }
  auto first = kNone;
  // From the end, so that each cell knows the one behind it.
  for (auto left = octets; !left.empty();) {
    const auto length = (left.size() - 1) % kContent + 1;
    auto cell = free_;
    if (cell == kNone) {
      cell = fresh_++;
    } else {
      free_ = cells_[cell].next;
    }
    cells_[cell].next = first;
    cells_[cell].octets = static_cast<std::uint32_t>(length);
    std::ranges::copy(left.last(length), cells_[cell].content.begin());
    left = left.first(left.size() - length);
    first = cell;
  }
  in_use_ += static_cast<std::uint32_t>(needed);
  return first;
}

void DetailStore::append_to(std::vector<std::byte>& target, std::uint32_t first) const {
  for (auto cell = first; cell != kNone; cell = cells_[cell].next) {
    const auto& content = cells_[cell].content;
    target.insert(target.end(), content.begin(), content.begin() + cells_[cell].octets);
  }
}

void DetailStore::erase(std::uint32_t first) noexcept {
  while (first != kNone) {
    const auto next = cells_[first].next;
    cells_[first].next = free_;
    free_ = first;
    first = next;
    --in_use_;
  }
}

void DetailStore::clear() noexcept {
  cells_.clear();
  in_use_ = 0;
  fresh_ = 0;
  free_ = kNone;
}

}  // namespace spanflow
