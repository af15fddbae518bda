// SPDX-License-Identifier: Apache-2.0
// What a worker counts (semantics §7). One writer, its own worker; everybody else reads a snapshot.
#pragma once

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
