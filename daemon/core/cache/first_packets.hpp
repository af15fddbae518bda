// SPDX-License-Identifier: Apache-2.0
// The first packets of each record, where they are kept (cache.first_packets; semantics §6.7).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "memory_region.hpp"

namespace spanflow {

// As the cache keeps a packet.
struct KeptPacket {
  std::int64_t time_ns;
  std::uint32_t octets;     // at most 2^32 - 1
  std::uint32_t direction;  // 0: from the low end of the key
};
static_assert(sizeof(KeptPacket) == 16);

// As it is handed over; Python sees the same layout (record.py).
struct FirstPacket {
  std::int64_t gap_ns;  // since the packet before it, of either direction
  std::uint32_t octets;
  std::int8_t direction;  // 0: forward, 1: reverse, -1: the record has no such packet
  std::array<std::uint8_t, 3> reserved;
};
static_assert(sizeof(FirstPacket) == 16);

// Owner: one metering worker. `each` places for every Flow of the cache, which a new record begins to fill again.
class FirstPackets {
 public:
  FirstPackets(std::uint32_t flows, std::uint32_t each, bool preallocate)
      : each_(each), packets_(std::size_t{flows} * each, preallocate) {}

  [[nodiscard]] std::uint32_t each() const noexcept { return each_; }

  // Keeps packet `index` of the record, index < each. Returns whether there are more to keep.
  bool keep(std::uint32_t flow, std::uint64_t index, const KeptPacket& packet) noexcept {
    packets_[std::size_t{flow} * each_ + index] = packet;
    return index + 1 < each_;
  }

  // What is kept of a record that has so many packets.
  [[nodiscard]] std::span<const KeptPacket> of(std::uint32_t flow, std::uint64_t packets) const noexcept {
    return {&packets_[std::size_t{flow} * each_], std::min<std::size_t>(packets, each_)};
  }

  // Gives the memory back.
  void clear() noexcept { packets_.clear(); }

 private:
  std::uint32_t each_;
  Region<KeptPacket> packets_;
};

// Turns what was kept into what is handed over: `forward` is the direction, in key order, of the initiator's packets.
// Fills all of `out`, which is not the shorter one. Time that runs backwards counts as 0.
inline void orient(std::span<const KeptPacket> kept, std::uint32_t forward, std::span<FirstPacket> out) noexcept {
  auto last_ns = kept.empty() ? 0 : kept.front().time_ns;
  for (std::size_t index = 0; index < out.size(); ++index) {
    if (index >= kept.size()) {
      out[index] = FirstPacket{.gap_ns = 0, .octets = 0, .direction = -1, .reserved = {}};
      continue;
    }
    const auto& [time_ns, octets, direction] = kept[index];
    out[index] = FirstPacket{.gap_ns = std::max<std::int64_t>(time_ns - last_ns, 0),
                             .octets = octets,
                             .direction = static_cast<std::int8_t>(direction == forward ? 0 : 1),
                             .reserved = {}};
    last_ns = std::max(last_ns, time_ns);
  }
}

}  // namespace spanflow
