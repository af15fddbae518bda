// SPDX-License-Identifier: Apache-2.0
#include "metering_process.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "cache/statistics.hpp"
#include "decode/decode.hpp"

namespace spanflow {
namespace {

constexpr std::uint32_t kPublishEvery = 64;  // batches
constexpr std::size_t kFramesAhead = 640;    // octets: the headers of a frame some packets later

}  // namespace

MeteringProcess::MeteringProcess(const MeteringOptions& options, std::shared_ptr<BatchPool> pool, BatchQueue& queue,
                                 BatchQueue::WhenFull when_full)
    : options_(options),
      cache_(options.max_flows, options.secret, options.preallocate),
      capacity_(options.max_flows),
      wheel_(options.max_flows, options.preallocate),
      fragments_(options.max_fragments, options.vlan_in_key, options.secret),
      filter_(options.filter),
      writer_(std::move(pool), queue, when_full, options.worker, counters_) {
  adopt(options.timeouts);
  if (options.classification) {
    detection_ = std::make_unique<Detection>(*options.classification, options.max_flows, counters_.classification);
    writer_.set_detection(detection_.get());
  }
  if (options.first_packets != 0) {
    first_packets_ = std::make_unique<FirstPackets>(options.max_flows, options.first_packets, options.preallocate);
    of_a_new_record_ |= FlowState::collecting;
    writer_.set_first_packets(first_packets_.get());
  }
}

void MeteringProcess::adopt(const Timeouts& timeouts) {
  options_.timeouts = timeouts;
  attention_ = FlowState::ended | FlowState::empty | (timeouts.tcp_fin_timeout_ns < kNever ? FlowState::any_fin : 0);
  active_coarse_ = timeouts.active_ns >> kCoarseShift;
  horizon_ns_ = 0;
  for (const auto timeout :
       {timeouts.active_ns, timeouts.inactive_ns, timeouts.tcp_linger_ns, timeouts.tcp_fin_timeout_ns}) {
    horizon_ns_ = timeout < kNever ? std::max(horizon_ns_, timeout) : horizon_ns_;
  }
}

// ---- the packet path ----

void MeteringProcess::process(std::span<const Frame> frames) {
  std::size_t count = 0;
  FrameCount received;
  if (options_.own_exports != nullptr) {
    options_.own_exports->refresh(own_exports_);
  }
  for (const auto& frame : frames) {
    __builtin_prefetch(frame.data + kFramesAhead);
    received.add(frame.wire_octets);
    if (observe(frame, observations_[count])) [[likely]] {
      cache_.prefetch_bucket(observations_[count].hash);
      ++count;
    }
  }
  const auto observations = std::span(observations_).first(count);
  for (const auto& observation : observations) {
    cache_.prefetch_flow(observation.hash, observation.direction);
  }
  FrameCount accounted_frames;
  FlowCount accounted;
  for (const auto& observation : observations) {
    account(observation);
    accounted_frames.add(observation.frame->wire_octets);
    counters_.merged_frames += observation.frame->merged ? 1U : 0U;
    accounted.packets += 1;
    accounted.octets += observation.packet.octets;
  }
  if (waiting_count_ != 0) {
    classify_waiting();
  }
  // Once per batch: between two batches every sum holds.
  counters_.received.add(received);
  counters_.accounted_frames.add(accounted_frames);
  counters_.accounted.add(accounted);
  counters_.cached.add(accounted);
  if (++batches_since_publication_ >= kPublishEvery) {
    publish_counters();
  }
}

// From a frame to an observed packet, or to a discard with its reason.
bool MeteringProcess::observe(const Frame& frame, Observation& observation) {
  auto& packet = observation.packet;
  packet = Packet{};
  const auto discard = filter_.accepts(frame) ? decode_frame(frame, packet) : Discard::filtered;
  if (discard != Discard::none) [[unlikely]] {
    counters_.discarded[static_cast<std::size_t>(discard)].add(frame.wire_octets);
    return false;
  }
  if (frame.time_ns < frame.clock_ns - options_.reorder_window_ns) [[unlikely]] {
    counters_.late += 1;
  }
  if (packet.first_fragment) [[unlikely]] {
    fragments_.remember(packet, frame.time_ns);
  }
  if (packet.later_fragment && !fragments_.complete(packet, frame.time_ns)) [[unlikely]] {
    counters_.fragment_orphans += 1;
  }
  if (own_exports_ != nullptr && own_exports_->contains(packet)) [[unlikely]] {
    counters_.discarded[static_cast<std::size_t>(Discard::own_export)].add(frame.wire_octets);
    return false;
  }
  observation.frame = &frame;
  identify(observation);
  return true;
}

// The Flow Key: the two ends in one fixed order, whoever sends.
void MeteringProcess::identify(Observation& observation) const noexcept {
  const auto& packet = observation.packet;
  const auto source = packet.source.order();
  const auto destination = packet.destination.order();
  const bool swap = (source > destination) | ((source == destination) & (packet.source_port > packet.destination_port));
  auto& key = observation.key;
  // Word by word and without a branch: who talks to whom is not predictable.
  const auto changes = std::uint64_t{0} - static_cast<std::uint64_t>(swap);
  for (std::size_t word = 0; word < 2; ++word) {
    const auto difference = (packet.source.words[word] ^ packet.destination.words[word]) & changes;
    key.low.words[word] = packet.source.words[word] ^ difference;
    key.high.words[word] = packet.destination.words[word] ^ difference;
  }
  key.ports_and_more = FlowKey::pack(swap ? packet.destination_port : packet.source_port,
                                     swap ? packet.source_port : packet.destination_port, packet.protocol,
                                     packet.version, options_.vlan_in_key ? packet.link.vlan_id : std::uint16_t{0});
  key.interface = options_.interface_in_key ? observation.frame->interface : std::uint16_t{0};
  observation.direction = swap ? 1 : 0;
  observation.hash = cache_.hash(key);
}

void MeteringProcess::account(const Observation& observation) {
  auto flow = cache_.find(observation.key, observation.hash);
  if (flow != FlowCache::kNone && needs_a_look(cache_.hot(flow), observation.frame->time_ns)) [[unlikely]] {
    flow = settle(flow, observation);
  }
  if (flow == FlowCache::kNone) {
    flow = open_flow(observation);
  }
  add_packet(flow, observation);
}

// May a deadline have been reached? Never false when one has.
bool MeteringProcess::needs_a_look(const HotFlow& flow, std::int64_t time_ns) const noexcept {
  const auto active = static_cast<std::int64_t>(coarse(time_ns)) - static_cast<std::int64_t>(flow.first_coarse);
  return (flow.state & attention_) != 0 || time_ns - flow.last_ns >= options_.timeouts.inactive_ns ||
         active >= active_coarse_;
}

// Before a packet is accounted, the deadlines that its time has reached decide, the earliest first (semantics §6).
// Returns the Flow that the packet belongs to, or none if it opens a new one.
std::uint32_t MeteringProcess::settle(std::uint32_t flow, const Observation& observation) {
  auto& hot = cache_.hot(flow);
  for (;;) {
    auto deadline = next_deadline(hot, cache_.cold(flow), options_.timeouts);
    const auto ended = (hot.state & FlowState::ended) != 0;
    const auto opens = (observation.packet.tcp_flags & (TcpFlag::syn | TcpFlag::ack)) == TcpFlag::syn;
    if (!deadline.reached_at(observation.frame->time_ns) && !(ended && opens)) {
      return flow;
    }
    if (deadline.detail == EndDetail::active) {
      split(flow);
      continue;  // what is left of the Flow may be idle too
    }
    send(flow, deadline.detail);
    wheel_.remove(flow);
    forget(flow);
    return FlowCache::kNone;
  }
}

std::uint32_t MeteringProcess::open_flow(const Observation& observation) {
  make_room(observation.hash);
  const auto flow = cache_.insert(observation.key, observation.hash);
  auto& hot = cache_.hot(flow);
  auto& cold = cache_.cold(flow);

  // The initiator (semantics §3): who sends a SYN, or receives a SYN+ACK; else who sends the first packet.
  const auto handshake = observation.packet.tcp_flags & (TcpFlag::syn | TcpFlag::ack);
  const auto answers = handshake == (TcpFlag::syn | TcpFlag::ack) && !observation.key.talks_to_itself();
  const auto initiator_is_high = (observation.direction == 1) != answers;
  hot.state = of_a_new_record_ | (initiator_is_high ? FlowState::initiator_is_high : 0);
  hot.last_ns = observation.frame->time_ns;
  clear_record(hot);
  cold.flow_first_ns = observation.frame->time_ns;
  if (detection_ != nullptr) {
    hot.state |= FlowState::detecting;
    detection_->open(flow, observation.key.protocol());
  }

  if (!wheel_.started()) [[unlikely]] {
    // Live, a frame may have been stamped before the clock was set back.
    const auto start_ns = observation.frame->time_ns - options_.reorder_window_ns;
    wheel_.start(options_.live && clock_ns_ != 0 ? std::min(start_ns, clock_ns_) : start_ns);
  }
  const auto& timeouts = options_.timeouts;
  schedule(flow, observation.frame->time_ns + std::min(timeouts.inactive_ns, timeouts.active_ns));
  counters_.flows_opened += 1;
  counters_.cached_flows += 1;
  return flow;
}

void MeteringProcess::add_packet(std::uint32_t flow, const Observation& observation) {
  auto& hot = cache_.hot(flow);
  auto& direction = hot.directions[observation.direction];
  const auto& packet = observation.packet;
  const auto time_ns = observation.frame->time_ns;

  if ((hot.state & FlowState::empty) != 0) {
    hot.state &= static_cast<std::uint16_t>(~FlowState::empty);
    hot.state |= observation.direction == 1 ? FlowState::opened_by_high : std::uint16_t{0};
    hot.state |= time_ns < hot.last_ns ? FlowState::behind : std::uint16_t{0};
    hot.first_coarse = coarse(time_ns);
    counters_.cached.records += 1;
  } else {
    const auto gap = gap_ns(time_ns, record_last_ns(hot));
    add_both_gap(hot, cache_.cold(flow), observation.direction, gap);
  }
  if (direction.packets == 0) {
    open_direction(flow, observation);
  } else {
    const auto gap = gap_ns(time_ns, direction.last_ns);
    add_gap(hot, cache_.cold(flow), observation.direction, gap);
    if (time_ns < direction.last_ns) [[unlikely]] {
      turn_back(flow, observation);
    }
    direction.last_ns = std::max(direction.last_ns, time_ns);
  }
  hot.last_ns = std::max(hot.last_ns, time_ns);
  direction.packets += 1;
  add_size(direction, cache_.cold(flow).rare[observation.direction], packet.octets);
  direction.tcp_flags |= packet.tcp_flags;
  direction.ttl_min = std::min(direction.ttl_min, packet.ttl);
  direction.ttl_max = std::max(direction.ttl_max, packet.ttl);
  if ((hot.state & FlowState::watched) != 0) [[unlikely]] {
    watch(flow, observation);
  }

  const auto closing =
      (packet.tcp_flags & (TcpFlag::fin | TcpFlag::rst)) != 0 || (hot.state & FlowState::any_fin) == FlowState::any_fin;
  if (closing && follow_tcp(hot, cache_.cold(flow), observation.direction, packet.tcp_flags, time_ns)) [[unlikely]] {
    if ((hot.state & FlowState::ended) != 0 && options_.timeouts.tcp_linger_ns == 0) {
      send(flow, next_deadline(hot, cache_.cold(flow), options_.timeouts).detail);
      wheel_.remove(flow);
      forget(flow);
      return;
    }
    if ((hot.state & attention_) != 0) {
      reschedule(flow);
    }
  }
}

// Not inline: it is not to lengthen the path of the packets of which nothing more is wanted.
[[gnu::noinline]] void MeteringProcess::watch(std::uint32_t flow, const Observation& observation) {
  const auto state = cache_.hot(flow).state;
  if ((state & FlowState::collecting) != 0) {
    keep_first_packet(flow, observation);
  }
  if ((state & FlowState::detecting) != 0) {
    classify_later(flow, observation);
  }
}

// The packet has been counted.
void MeteringProcess::keep_first_packet(std::uint32_t flow, const Observation& observation) {
  auto& hot = cache_.hot(flow);
  const auto index = hot.directions[0].packets + hot.directions[1].packets - 1;
  const KeptPacket packet{
      .time_ns = observation.frame->time_ns,
      .octets = static_cast<std::uint32_t>(std::min<std::uint64_t>(observation.packet.octets, 0xffffffff)),
      .direction = static_cast<std::uint32_t>(observation.direction)};
  if (!first_packets_->keep(flow, index, packet)) {
    hot.state &= static_cast<std::uint16_t>(~FlowState::collecting);
  }
}

void MeteringProcess::classify_later(std::uint32_t flow, const Observation& observation) {
  const auto octets = detection_->wanted(*observation.frame, observation.packet);
  if (octets.empty()) {
    return;
  }
  const auto& [low, high] = cache_.hot(flow).directions;
  const auto seen_beginning = ((low.tcp_flags | high.tcp_flags) & TcpFlag::syn) != 0;
  waiting_[waiting_count_++] =
      Waiting{.observation = &observation, .octets = octets, .flow = flow, .seen_beginning = seen_beginning};
  detection_->prefetch(flow);
}

[[gnu::noinline]] void MeteringProcess::classify_waiting() {
  const auto waiting = std::span(waiting_).first(std::exchange(waiting_count_, 0));
  for (const auto& each : waiting) {
    detection_->prefetch_inspection(each.flow, each.octets);
  }
  for (const auto& [observation, octets, flow, seen_beginning] : waiting) {
    auto& hot = cache_.hot(flow);
    if ((hot.state & FlowState::detecting) == 0) {
      continue;  // an earlier one of these packets has decided
    }
    const std::size_t initiator = (hot.state & FlowState::initiator_is_high) != 0 ? 1 : 0;
    const Arrival arrival{.time_ns = observation->frame->time_ns,
                          .from_server = observation->direction != initiator,
                          .seen_beginning = seen_beginning};
    if (detection_->inspect(flow, octets, observation->packet, hot, arrival)) {
      hot.state &= static_cast<std::uint16_t>(~FlowState::detecting);
    }
  }
}

// The first packet of a direction in this record.
void MeteringProcess::open_direction(std::uint32_t flow, const Observation& observation) {
  auto& hot = cache_.hot(flow);
  auto& cold = cache_.cold(flow);
  const auto& packet = observation.packet;
  const auto index = observation.direction;
  hot.directions[index].last_ns = observation.frame->time_ns;
  cold.first_ns[index] = observation.frame->time_ns;
  cold.interface[index] = observation.frame->interface;
  cold.vlan_id[index] = packet.link.vlan_id;
  cold.icmp_type_code[index] = packet.icmp_type_code;
  cold.class_of_service[index] = packet.class_of_service;
  cold.source_mac[index] = packet.link.source_mac;
  cold.destination_mac[index] = packet.link.destination_mac;
  if (hot.directions[1 - index].packets != 0 && observation.frame->time_ns < cold.first_ns[1 - index]) [[unlikely]] {
    turn_back(flow, observation);
  }
}

// Time ran backwards: the record may begin earlier than it did, and its active deadline with it.
void MeteringProcess::turn_back(std::uint32_t flow, const Observation& observation) {
  auto& hot = cache_.hot(flow);
  auto& cold = cache_.cold(flow);
  if (observation.frame->time_ns < cold.first_ns[observation.direction]) {
    rewind_direction(hot, cold, observation.direction, observation.frame->time_ns);
  }
  hot.first_coarse = std::min(hot.first_coarse, coarse(observation.frame->time_ns));
  if (options_.timeouts.active_ns < kNever) {
    reschedule(flow);
  }
}

}  // namespace spanflow
