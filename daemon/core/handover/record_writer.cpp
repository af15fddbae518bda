// SPDX-License-Identifier: Apache-2.0
#include "handover/record_writer.hpp"

#include <algorithm>
#include <utility>

#include "cache/statistics.hpp"

namespace spanflow {
namespace {

void write_direction(DirectionRecord& record, const HotFlow& flow, const ColdFlow& cold, std::size_t index,
                     std::uint32_t first_interface) {
  const auto& state = flow.directions[index];
  if (state.packets == 0) {
    record = DirectionRecord{};
    return;
  }
  record.packet_delta_count = state.packets;
  record.octet_delta_count = state.octets;
  record.first_ns = cold.first_ns[index];
  record.last_ns = state.last_ns;
  record.gap_sum_ns = gap_sum_ns(flow, cold, index, state.last_ns);
  record.size_sum_squares = state.size_sum_squares;
  record.gap_squared_deviations = squared_deviations(state.gap_squares, state.gap_min_ns, gaps_of(flow, cold, index));
  record.gap_min_ns = smallest_gap(state.gap_min_ns);
  record.gap_max_ns = state.gap_max_ns;
  record.size_min = smallest_size(state, cold.rare[index]);
  record.size_max = largest_size(state, cold.rare[index]);
  record.ingress_interface = first_interface + cold.interface[index];
  record.source_mac_address = cold.source_mac[index];
  record.destination_mac_address = cold.destination_mac[index];
  record.vlan_id = cold.vlan_id[index];
  record.icmp_type_code = cold.icmp_type_code[index];
  record.tcp_control_bits = state.tcp_flags;
  record.minimum_ttl = state.ttl_min;
  record.maximum_ttl = state.ttl_max;
  record.ip_class_of_service = cold.class_of_service[index];
  record.reserved = {};
}

void clear_classification(FlowRecord& record) noexcept {
  record.flow_risk = 0;
  record.application_id = 0;
  record.details_offset = 0;
  record.details_octets = 0;
  record.application = 0;
  record.master_protocol = 0;
  record.application_category = 0;
  record.risk_score = 0;
  record.tls_version = 0;
  record.dns_query_type = 0;
  record.confidence = 0;
  record.dns_response_code = FlowRecord::no_dns_response;
}

}  // namespace

FlowCount content_of(const HotFlow& flow) noexcept {
  return FlowCount{.records = 1,
                   .packets = flow.directions[0].packets + flow.directions[1].packets,
                   .octets = flow.directions[0].octets + flow.directions[1].octets};
}

RecordWriter::RecordWriter(std::shared_ptr<BatchPool> pool, BatchQueue& queue, BatchQueue::WhenFull when_full,
                           std::uint8_t worker, Counters& counters)
    : pool_(std::move(pool)), queue_(queue), when_full_(when_full), worker_(worker), counters_(counters) {}

void RecordWriter::write(std::uint32_t place, const HotFlow& flow, const ColdFlow& cold, EndDetail detail,
                         const Classification* classification) {
  const auto key = flow.key();
  auto& batch = key.version() == 4 ? ipv4_ : ipv6_;
  if (batch == nullptr) {
    batch = pool_->take(key.version(), BatchPool::kLargest, first_packets_ == nullptr ? 0 : first_packets_->each());
  }
  const auto content = content_of(flow);
  auto& record = batch->append(content);
  counters_.cached.subtract(content);
  counters_.in_batch.add(content);
  counters_.ended[static_cast<std::size_t>(detail)] += 1;

  const std::size_t forward = (flow.state & FlowState::initiator_is_high) != 0 ? 1 : 0;
  record.source_address = forward == 0 ? key.low : key.high;
  record.destination_address = forward == 0 ? key.high : key.low;
  record.source_transport_port = forward == 0 ? key.low_port() : key.high_port();
  record.destination_transport_port = forward == 0 ? key.high_port() : key.low_port();
  write_direction(record.forward, flow, cold, forward, first_interface_);
  write_direction(record.reverse, flow, cold, 1 - forward, first_interface_);
  record.flow_id = flow_id(key, cold.flow_first_ns);
  record.flow_start_ns = cold.flow_first_ns;
  const auto& [low, high] = flow.directions;
  record.gap_sum_ns = both_gap_sum_ns(flow, cold);
  record.gap_squared_deviations =
      squared_deviations(flow.both_gap_squares, low.both_gap_min_ns, both_gaps_of(flow, cold));
  record.gap_min_ns = smallest_gap(low.both_gap_min_ns);
  record.gap_max_ns = std::max(low.both_gap_max_ns, high.both_gap_max_ns);
  record.protocol_identifier = key.protocol();
  record.ip_version = key.version();
  record.flow_end_reason = flow_end_reason(detail);
  record.end_detail = detail;
  record.flags = (flow.state & FlowState::continuation) != 0 ? FlowRecord::flag_continuation : std::uint8_t{0};
  record.worker = worker_;
  if (classification == nullptr) {
    clear_classification(record);
  } else {
    write_classification(record, *batch, *classification);
  }
  record.reserved = {};
  if (first_packets_ != nullptr) [[unlikely]] {
    const auto kept = first_packets_->of(place, content.packets);
    orient(kept, static_cast<std::uint32_t>(forward), batch->latest_first_packets());
  }

  if (batch->full()) {
    hand_over(batch);
  }
}

void RecordWriter::write_classification(FlowRecord& record, Batch& batch, const Classification& classification) const {
  record.flow_risk = classification.risk;
  record.application_id = detection_->application_id(classification.application);
  record.application = classification.application;
  record.master_protocol = classification.master_protocol;
  record.application_category = classification.category;
  record.risk_score = classification.risk_score;
  record.tls_version = classification.tls_version;
  record.dns_query_type = classification.dns_query_type;
  record.confidence = classification.confidence;
  record.dns_response_code = classification.dns_response_code;
  auto& details = batch.details();
  record.details_offset = static_cast<std::uint32_t>(details.size());
  detection_->details().append_to(details, classification.place);
  record.details_octets = static_cast<std::uint16_t>(details.size() - record.details_offset);
}

void RecordWriter::hand_over(std::unique_ptr<Batch>& batch) {
  const auto content = batch->content();
  const auto pushed = queue_.push(std::move(batch), when_full_);
  counters_.in_batch.subtract(content);
  (pushed ? counters_.handed_over : counters_.dropped_at_handover).add(content);
}

void RecordWriter::flush() {
  for (auto* batch : {&ipv4_, &ipv6_}) {
    if (*batch != nullptr && (*batch)->size() > 0) {
      if ((*batch)->size() <= BatchPool::kClasses[BatchPool::kClasses.size() - 2]) {
        *batch = (*batch)->fitted();
      }
      hand_over(*batch);
    }
  }
}

}  // namespace spanflow
