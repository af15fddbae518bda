// SPDX-License-Identifier: Apache-2.0
// One worker: calls the stages in packet order. decode -> cache -> classify -> expire -> hand over.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "cache/first_packets.hpp"
#include "cache/flow_cache.hpp"
#include "capture/filter.hpp"
#include "capture/own_exports.hpp"
#include "classify/detection.hpp"
#include "counters.hpp"
#include "decode/fragments.hpp"
#include "decode/packet.hpp"
#include "expire/deadlines.hpp"
#include "expire/end_of_flow.hpp"
#include "handover/record_writer.hpp"

namespace spanflow {

struct MeteringOptions {
  Timeouts timeouts;
  std::int64_t reorder_window_ns = 10'000'000'000;
  std::uint32_t max_flows = 1'000'000;
  std::uint32_t max_fragments = 16'384;
  std::uint32_t first_packets = 0;  // of each record, that are kept
  bool vlan_in_key = false;
  bool interface_in_key = false;
  bool preallocate = false;
  bool live = false;                        // the clock is that of the wall, and may step
  const OwnExports* own_exports = nullptr;  // whose datagrams are not metered; outlives the worker
  std::uint8_t worker = 0;
  std::string filter;
  HashSecret secret;
  std::optional<ClassificationOptions> classification;  // none: it is off
};

// Owner: one thread. Others read counters() and set the capacity only.
class MeteringProcess {
 public:
  static constexpr std::size_t kBatch = 32;  // packets that are decoded, hashed and prefetched together

  MeteringProcess(const MeteringOptions& options, std::shared_ptr<BatchPool> pool, BatchQueue& queue,
                  BatchQueue::WhenFull when_full);

  // Meters up to kBatch frames, in the order of arrival.
  void process(std::span<const Frame> frames);

  // Sends what is due: Flows whose deadline lies before `clock_ns`.
  void expire(std::int64_t clock_ns);

  // The wall clock has made a step: expiry goes on from there, no Flow's own stamps move (semantics §6).
  void step_clock(std::int64_t step_ns);

  // Other timeouts, for the Flows in the cache too.
  void set_timeouts(const Timeouts& timeouts);

  // How many Flows it may hold from now on, 1 to max_flows. Flows that are too many leave as new ones come.
  void set_capacity(std::uint32_t flows) noexcept { capacity_.store(flows, std::memory_order_relaxed); }
  // What the cache was made for.
  [[nodiscard]] std::uint32_t largest_capacity() const noexcept { return cache_.capacity(); }

  // Hands over what is in partly filled batches, and publishes the counters.
  void hand_over();

  // Compiles the filter for this link type now, not when its first frame comes.
  void prepare_filter(std::uint16_t link_type) { filter_.prepare(link_type); }

  // The exported ifIndex of the capture port 0; the others follow it.
  void set_first_interface(std::uint32_t index) { writer_.set_first_interface(index); }

  // From now on a full hand-over queue makes this worker wait.
  void wait_when_full() { writer_.set_when_full(BatchQueue::WhenFull::wait); }

  // The end of the input, whose highest time stamp is `clock_ns`: every Flow leaves (semantics §6), the cache is empty.
  void finish(std::int64_t clock_ns);

  [[nodiscard]] Counters counters() const { return published_.read(); }
  void publish_counters();

  // Sums the cache itself, for tests of counters().cached. Owner thread only.
  [[nodiscard]] FlowCount audit() const;

  [[nodiscard]] const std::string& filter_error() const noexcept { return filter_.error(); }

 private:
  // A packet between two stages.
  struct Observation {
    const Frame* frame;
    Packet packet;
    FlowKey key;
    std::uint64_t hash;
    std::size_t direction;  // 0: the source is the low end of the key
  };

  [[nodiscard]] bool observe(const Frame& frame, Observation& observation);
  void identify(Observation& observation) const noexcept;
  void account(const Observation& observation);
  [[nodiscard]] std::uint32_t open_flow(const Observation& observation);
  [[nodiscard]] std::uint32_t settle(std::uint32_t flow, const Observation& observation);
  void add_packet(std::uint32_t flow, const Observation& observation);
  void open_direction(std::uint32_t flow, const Observation& observation);
  void turn_back(std::uint32_t flow, const Observation& observation);
  void watch(std::uint32_t flow, const Observation& observation);
  void keep_first_packet(std::uint32_t flow, const Observation& observation);
  void classify_later(std::uint32_t flow, const Observation& observation);
  void classify_waiting();

  [[nodiscard]] bool needs_a_look(const HotFlow& flow, std::int64_t time_ns) const noexcept;
  void make_room(std::uint64_t hash);
  void evict_next();
  void evict_from_chain(std::uint64_t hash);
  [[nodiscard]] std::int64_t deadline_of(std::uint32_t flow) const noexcept;
  void evict(std::uint32_t flow);
  void send(std::uint32_t flow, EndDetail detail);
  void split(std::uint32_t flow);
  void write(std::uint32_t flow, EndDetail detail);
  void forget(std::uint32_t flow);
  void reschedule(std::uint32_t flow);
  void schedule(std::uint32_t flow, std::int64_t deadline_ns);
  void adopt(const Timeouts& timeouts);

  MeteringOptions options_;
  std::uint16_t attention_ = 0;  // FlowState bits that make a packet's Flow need a look
  std::uint16_t of_a_new_record_ = FlowState::empty;
  std::int64_t active_coarse_ = 0;
  std::int64_t horizon_ns_ = 0;                                            // the longest timeout
  std::int64_t clock_ns_ = 0;                                              // of the last call of expire()
  std::int64_t stepped_to_ns_ = std::numeric_limits<std::int64_t>::min();  // where the last step of the clock led
  FlowCache cache_;
  std::atomic<std::uint32_t> capacity_;  // at most that of the cache
  DeadlineWheel wheel_;
  FragmentTable fragments_;
  PacketFilter filter_;
  std::shared_ptr<const OwnExports::Table> own_exports_;
  Counters counters_;
  PublishedCounters published_;
  RecordWriter writer_;
  std::unique_ptr<Detection> detection_;         // null: classification is off
  std::unique_ptr<FirstPackets> first_packets_;  // null: none are kept
  std::uint32_t batches_since_publication_ = 0;
  std::array<Observation, kBatch> observations_;

  // Packets of Flows under detection, in order: the engine looks at them when the whole batch is accounted, as it would
  // push what was prefetched out of the processor's caches; earlier if a record leaves.
  struct Waiting {
    const Observation* observation;
    std::span<const std::uint8_t> octets;
    std::uint32_t flow;
    bool seen_beginning;
  };
  std::array<Waiting, kBatch> waiting_;
  std::size_t waiting_count_ = 0;
};

}  // namespace spanflow
