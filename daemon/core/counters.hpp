// SPDX-License-Identifier: Apache-2.0
// What a worker counts (semantics §10). One writer, its own worker; everybody else reads a snapshot.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>

#include "cache/flow_record.hpp"
#include "decode/packet.hpp"

namespace spanflow {

// Frames with the octets that they had on the wire.
struct FrameCount {
  std::uint64_t packets = 0;
  std::uint64_t octets = 0;

  void add(std::uint64_t wire_octets) noexcept {
    packets += 1;
    octets += wire_octets;
  }
  void add(const FrameCount& other) noexcept {
    packets += other.packets;
    octets += other.octets;
  }
};

// Packets with their IP octets, and the records that they are in.
struct FlowCount {
  std::uint64_t records = 0;
  std::uint64_t packets = 0;
  std::uint64_t octets = 0;

  void add(const FlowCount& other) noexcept {
    records += other.records;
    packets += other.packets;
    octets += other.octets;
  }
  void subtract(const FlowCount& other) noexcept {
    records -= other.records;
    packets -= other.packets;
    octets -= other.octets;
  }
};

// What became of the Flows that were to be classified; all 0 where that is off.
struct ClassificationCounters {
  std::uint64_t under_detection = 0;  // Flows of which the engine keeps a state now
  std::uint64_t memory_octets = 0;    // states and details, now
  std::uint64_t inspected_packets = 0;
  std::uint64_t detected = 0;         // the engine knows
  std::uint64_t given_up = 0;         // the budget of packets, or the Flow, ended before it knew
  std::uint64_t guessed = 0;          // by port and address: no packet had anything to inspect
  std::uint64_t refused_flows = 0;    // by port and address: too many Flows were under detection
  std::uint64_t refused_memory = 0;   // by port and address: the memory was used up
  std::uint64_t dropped_details = 0;  // Flows without their details, for want of memory
};

inline constexpr std::array<std::int64_t, 6> kExpiryLagBoundsMs = {100, 250, 500, 1000, 2000, 5000};

//   received  = sum of discarded + accounted_frames
//   accounted = cached + in_batch + dropped_at_handover + handed_over
struct Counters {
  FrameCount received;
  std::array<FrameCount, kDiscardReasons> discarded{};
  FrameCount accounted_frames;

  FlowCount accounted;  // IP octets; `records` stays 0: a packet is not a record yet
  FlowCount cached;     // `records` counts records that are not empty
  FlowCount in_batch;
  FlowCount handed_over;
  FlowCount dropped_at_handover;

  std::uint64_t late = 0;
  std::uint64_t fragment_orphans = 0;
  std::uint64_t flows_opened = 0;
  std::uint64_t crowded_evictions = 0;  // of `evicted`: for want of room in a chain, not in the cache
  std::uint64_t cached_flows = 0;       // with those whose record is empty
  std::array<std::uint64_t, kEndDetails> ended{};

  // Live: how long after its deadline a record left that no packet asked for.
  std::array<std::uint64_t, kExpiryLagBoundsMs.size() + 1> expiry_lag{};  // the last: above every bound
  std::uint64_t expiry_lag_sum_ns = 0;
  std::uint64_t clock_steps = 0;
  std::uint64_t merged_frames = 0;  // of the accounted ones

  ClassificationCounters classification;

  void add_expiry_lag(std::int64_t lag_ns) noexcept {
    const auto bound = std::find_if(kExpiryLagBoundsMs.begin(), kExpiryLagBoundsMs.end(),
                                    [lag_ns](std::int64_t ms) { return lag_ns <= ms * 1'000'000; });
    expiry_lag[static_cast<std::size_t>(bound - kExpiryLagBoundsMs.begin())] += 1;
    expiry_lag_sum_ns += static_cast<std::uint64_t>(std::max(lag_ns, std::int64_t{0}));
  }
};

// The snapshot that others read: all its numbers are of one moment between two packets.
class PublishedCounters {
 public:
  void publish(const Counters& counters) {
    const std::lock_guard lock(mutex_);
    snapshot_ = counters;
  }
  [[nodiscard]] Counters read() const {
    const std::lock_guard lock(mutex_);
    return snapshot_;
  }

 private:
  mutable std::mutex mutex_;
  Counters snapshot_;
};

}  // namespace spanflow
