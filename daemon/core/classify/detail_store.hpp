// SPDX-License-Identifier: Apache-2.0
// The names that were found in the packets of Flows: apart from the Flows, as few have many.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "memory_region.hpp"

namespace spanflow {

// Owner: one metering worker. Octets in chains of cells of one cache line; what is never used costs no memory.
class DetailStore {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  // At most so many octets. Throws std::bad_alloc.
  explicit DetailStore(std::size_t octets) : capacity_(cells_in(octets)), cells_(capacity_) {}

  // kNone: there is no room.
  [[nodiscard]] std::uint32_t put(std::span<const std::byte> octets) noexcept;
  void append_to(std::vector<std::byte>& target, std::uint32_t first) const;
  void erase(std::uint32_t first) noexcept;
  void clear() noexcept;

  void prefetch(std::uint32_t first) const noexcept { __builtin_prefetch(&cells_[first]); }
  // Where the next octets will go.
  void prefetch_free() const noexcept { __builtin_prefetch(&cells_[free_ != kNone ? free_ : fresh_], 1); }

  [[nodiscard]] std::size_t octets_in_use() const noexcept { return std::size_t{in_use_} * sizeof(Cell); }

 private:
  struct alignas(64) Cell {
    std::uint32_t next;
    std::uint32_t octets;
    std::array<std::byte, 56> content;
  };
  static_assert(sizeof(Cell) == 64);

  static std::uint32_t cells_in(std::size_t octets) noexcept;
  static constexpr std::size_t needed_for(std::size_t octets) noexcept {
    return (octets + sizeof(Cell::content) - 1) / sizeof(Cell::content);
  }

  std::uint32_t capacity_;
  Region<Cell> cells_;
  std::uint32_t in_use_ = 0;
  std::uint32_t fresh_ = 0;     // cells from here on were never used
  std::uint32_t free_ = kNone;  // a stack: what was last used is warm
};

}  // namespace spanflow
