// SPDX-License-Identifier: Apache-2.0
#include "handover/record_layout.hpp"

#include <type_traits>

namespace spanflow {
namespace {

template <typename Type>
std::string format_of() {
  if constexpr (std::is_same_v<Type, DirectionRecord>) {
    return "direction";
  } else if constexpr (std::is_same_v<Type, Address> || std::is_same_v<Type, Mac>) {
    return "(" + std::to_string(sizeof(Type)) + ",)u1";
  } else {
    const char* kind = std::is_floating_point_v<Type> ? "f" : std::is_signed_v<Type> ? "i" : "u";
    return "<" + std::string(kind) + std::to_string(sizeof(Type));
  }
}

template <typename Record, typename Type>
Member member(const char* name, Type Record::* pointer) {
  static const Record record{};
  const auto begin = reinterpret_cast<std::uintptr_t>(&record);
  const auto at = reinterpret_cast<std::uintptr_t>(&(record.*pointer));
  return Member{.name = name, .format = format_of<Type>(), .offset = at - begin};
}

}  // namespace

std::vector<Member> direction_layout() {
  using D = DirectionRecord;
  return {member("packet_delta_count", &D::packet_delta_count),
          member("octet_delta_count", &D::octet_delta_count),
          member("first_ns", &D::first_ns),
          member("last_ns", &D::last_ns),
          member("gap_sum_ns", &D::gap_sum_ns),
          member("size_sum_squares", &D::size_sum_squares),
          member("gap_squared_deviations", &D::gap_squared_deviations),
          member("gap_min_ns", &D::gap_min_ns),
          member("gap_max_ns", &D::gap_max_ns),
          member("size_min", &D::size_min),
          member("size_max", &D::size_max),
          member("ingress_interface", &D::ingress_interface),
          member("source_mac_address", &D::source_mac_address),
          member("destination_mac_address", &D::destination_mac_address),
          member("vlan_id", &D::vlan_id),
          member("icmp_type_code", &D::icmp_type_code),
          member("tcp_control_bits", &D::tcp_control_bits),
          member("minimum_ttl", &D::minimum_ttl),
          member("maximum_ttl", &D::maximum_ttl),
          member("ip_class_of_service", &D::ip_class_of_service)};
}

std::vector<Member> record_layout() {
  using R = FlowRecord;
  return {member("source_address", &R::source_address),
          member("destination_address", &R::destination_address),
          member("forward", &R::forward),
          member("reverse", &R::reverse),
          member("flow_id", &R::flow_id),
          member("flow_start_ns", &R::flow_start_ns),
          member("gap_sum_ns", &R::gap_sum_ns),
          member("gap_squared_deviations", &R::gap_squared_deviations),
          member("gap_min_ns", &R::gap_min_ns),
          member("gap_max_ns", &R::gap_max_ns),
          member("flow_risk", &R::flow_risk),
          member("application_id", &R::application_id),
          member("details_offset", &R::details_offset),
          member("details_octets", &R::details_octets),
          member("application", &R::application),
          member("master_protocol", &R::master_protocol),
          member("application_category", &R::application_category),
          member("risk_score", &R::risk_score),
          member("tls_version", &R::tls_version),
          member("dns_query_type", &R::dns_query_type),
          member("source_transport_port", &R::source_transport_port),
          member("destination_transport_port", &R::destination_transport_port),
          member("protocol_identifier", &R::protocol_identifier),
          member("ip_version", &R::ip_version),
          member("flow_end_reason", &R::flow_end_reason),
          member("end_detail", &R::end_detail),
          member("flags", &R::flags),
          member("worker", &R::worker),
          member("confidence", &R::confidence),
          member("dns_response_code", &R::dns_response_code)};
}

}  // namespace spanflow
