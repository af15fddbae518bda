// SPDX-License-Identifier: Apache-2.0
// What the cache keeps of a Flow, and what it hands over when a record leaves.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "cache/flow_key.hpp"

namespace spanflow {

using Mac = std::array<std::uint8_t, 6>;

// flowEndReason (136) as the IANA registry numbers it.
enum class FlowEndReason : std::uint8_t {
  idle_timeout = 1,
  active_timeout = 2,
  end_of_flow_detected = 3,
  forced_end = 4,
  lack_of_resources = 5,
};

// The rule of semantics §6 that decided, finer than flowEndReason.
enum class EndDetail : std::uint8_t { none, idle, active, fin, rst, fin_timeout, flush, evicted };
inline constexpr std::size_t kEndDetails = 8;
inline constexpr std::array<const char*, kEndDetails> kEndDetailNames = {"none", "idle",        "active", "fin",
                                                                         "rst",  "fin_timeout", "flush",  "evicted"};

constexpr FlowEndReason flow_end_reason(EndDetail detail) noexcept {
  switch (detail) {
    case EndDetail::idle: return FlowEndReason::idle_timeout;
    case EndDetail::active: return FlowEndReason::active_timeout;
    case EndDetail::fin:
    case EndDetail::rst:
    case EndDetail::fin_timeout: return FlowEndReason::end_of_flow_detected;
    case EndDetail::evicted: return FlowEndReason::lack_of_resources;
    case EndDetail::flush:
    case EndDetail::none: break;
  }
  return FlowEndReason::forced_end;
}

// ---- in the cache: three lines that packets touch, and a cold part that they do not ----

struct FlowState {
  static constexpr std::uint16_t initiator_is_high = 0x0001;
  static constexpr std::uint16_t fin_low = 0x0002;        // the low end has sent a FIN
  static constexpr std::uint16_t fin_high = 0x0004;       // the high end has sent a FIN
  static constexpr std::uint16_t last_fin_high = 0x0008;  // the second of the two FINs came from the high end
  static constexpr std::uint16_t ended_by_fin = 0x0010;
  static constexpr std::uint16_t ended_by_rst = 0x0020;
  static constexpr std::uint16_t continuation = 0x0040;    // a record of this Flow has left
  static constexpr std::uint16_t empty = 0x0080;           // no packet since then
  static constexpr std::uint16_t opened_by_high = 0x0100;  // who sent the first packet of the record, as it came
  static constexpr std::uint16_t rewound_low = 0x0200;     // the direction begins before the packet that opened it
  static constexpr std::uint16_t rewound_high = 0x0400;
  static constexpr std::uint16_t behind = 0x0800;      // the record has not yet reached the Flow's latest time stamp
  static constexpr std::uint16_t detecting = 0x1000;   // the application is not decided
  static constexpr std::uint16_t collecting = 0x2000;  // not all of the record's first packets are kept

  static constexpr std::uint16_t any_fin = fin_low | fin_high;
  static constexpr std::uint16_t ended = ended_by_fin | ended_by_rst;
  static constexpr std::uint16_t watched = detecting | collecting;
  static constexpr std::uint16_t of_the_record = opened_by_high | rewound_low | rewound_high | behind;

  static constexpr std::uint16_t rewound(std::size_t direction) noexcept {
    return direction == 0 ? rewound_low : rewound_high;
  }
};

// One direction of the current record. Sizes of 65,535 and more are kept exactly in the cold part.
struct alignas(64) DirectionState {
  std::uint64_t packets;
  std::uint64_t octets;
  std::int64_t last_ns;
  std::uint64_t size_sum_squares;  // modulo 2^64; sum, min and max tell the rest (cache/statistics.hpp)
  double gap_squares;              // ns², of what each gap is longer than the shortest (cache/statistics.hpp)
  float gap_min_ns, gap_max_ns;
  float both_gap_min_ns;  // of both directions together; the same in both
  float both_gap_max_ns;  // of the gaps of both directions that ended with a packet of this one
  std::uint16_t size_min, size_max;
  std::uint16_t tcp_flags;
  std::uint8_t ttl_min, ttl_max;
};
static_assert(sizeof(DirectionState) == 64);

// Directions are in key order, [0] from low to high: the line to prefetch is known before the record is read.
struct alignas(64) HotFlow {
  Address low;
  Address high;
  std::uint64_t ports_and_more;  // the key, as in FlowKey
  std::uint16_t interface;
  std::uint16_t state;
  std::uint32_t first_coarse;  // of the record's first time stamp (kCoarseShift); never later than it
  std::int64_t last_ns;        // of the Flow
  double both_gap_squares;     // as in DirectionState, of both directions together
  std::array<DirectionState, 2> directions;

  [[nodiscard]] FlowKey key() const noexcept {
    return FlowKey{.low = low, .high = high, .ports_and_more = ports_and_more, .interface = interface};
  }
  void set_key(const FlowKey& key) noexcept {
    low = key.low;
    high = key.high;
    ports_and_more = key.ports_and_more;
    interface = key.interface;
  }
  // Every key has an IP version.
  [[nodiscard]] bool in_use() const noexcept { return ports_and_more != 0; }
  void release() noexcept { ports_and_more = 0; }
  // One branch for all of it.
  [[nodiscard]] bool has_key(const FlowKey& key) const noexcept {
    return ((low.words[0] ^ key.low.words[0]) | (low.words[1] ^ key.low.words[1]) |
            (high.words[0] ^ key.high.words[0]) | (high.words[1] ^ key.high.words[1]) |
            (ports_and_more ^ key.ports_and_more) | static_cast<std::uint64_t>(interface ^ key.interface)) == 0;
  }
};
static_assert(offsetof(HotFlow, directions) == 64 && sizeof(HotFlow) == 192);

// What hardly any direction needs, in one place. Where one needs both, the sizes stay: the sum of its gaps is then told
// from its first time stamp instead of from the packet that opened it.
union RareState {
  struct {
    std::uint32_t min, max;
  } large_sizes;           // of 65,535 octets and more, when the direction has such
  std::int64_t opened_ns;  // of the packet that opened the direction, when a later one was earlier (rewound)
};
static_assert(sizeof(RareState) == 8);

// Written at the first packet of a direction, read when a record leaves.
struct ColdFlow {
  std::int64_t flow_first_ns;  // of the packet that opened the Flow
  std::int64_t ended_ns;       // when the TCP end was detected
  std::array<std::int64_t, 2> first_ns;
  std::array<RareState, 2> rare;
  std::array<std::uint16_t, 2> interface;
  std::array<std::uint16_t, 2> vlan_id;
  std::array<std::uint16_t, 2> icmp_type_code;
  std::array<std::uint8_t, 2> class_of_service;
  std::array<Mac, 2> source_mac, destination_mac;
};
static_assert(sizeof(ColdFlow) == 88);

// ---- handed over: one oriented Biflow (source = initiator), all its values; Python sees the same layout ----

struct DirectionRecord {
  std::uint64_t packet_delta_count;
  std::uint64_t octet_delta_count;
  std::int64_t first_ns;
  std::int64_t last_ns;
  std::int64_t gap_sum_ns;
  std::uint64_t size_sum_squares;  // modulo 2^64
  double gap_squared_deviations;   // ns², from the mean gap
  float gap_min_ns;
  float gap_max_ns;
  std::uint32_t size_min;
  std::uint32_t size_max;
  std::uint32_t ingress_interface;
  Mac source_mac_address;
  Mac destination_mac_address;
  std::uint16_t vlan_id;
  std::uint16_t icmp_type_code;
  std::uint16_t tcp_control_bits;
  std::uint8_t minimum_ttl;
  std::uint8_t maximum_ttl;
  std::uint8_t ip_class_of_service;
  std::array<std::uint8_t, 7> reserved;
};
static_assert(sizeof(DirectionRecord) == 104);

struct FlowRecord {
  static constexpr std::uint8_t flag_continuation = 0x01;
  static constexpr std::uint8_t no_dns_response = 255;

  Address source_address;
  Address destination_address;
  DirectionRecord forward;
  DirectionRecord reverse;
  std::uint64_t flow_id;
  std::int64_t flow_start_ns;     // of the packet that opened the Flow
  std::int64_t gap_sum_ns;        // the gaps of both directions together
  double gap_squared_deviations;  // ns², from the mean gap
  float gap_min_ns;
  float gap_max_ns;
  std::uint64_t flow_risk;       // what follows up to the ports: 0 unless the Flow was classified
  std::uint32_t application_id;  // RFC 6759: engine 22 in the highest octet, then the selector
  std::uint32_t details_offset;  // into the details of the batch
  std::uint16_t details_octets;
  std::uint16_t application;  // number in the table of applications
  std::uint16_t master_protocol;
  std::uint16_t application_category;
  std::uint16_t risk_score;
  std::uint16_t tls_version;
  std::uint16_t dns_query_type;
  std::uint16_t source_transport_port;
  std::uint16_t destination_transport_port;
  std::uint8_t protocol_identifier;
  std::uint8_t ip_version;
  FlowEndReason flow_end_reason;
  EndDetail end_detail;
  std::uint8_t flags;
  std::uint8_t worker;
  std::uint8_t confidence;
  std::uint8_t dns_response_code;  // no_dns_response: none was seen
  std::array<std::uint8_t, 6> reserved;
};
static_assert(sizeof(FlowRecord) == 328 && offsetof(FlowRecord, flow_id) == 240);

}  // namespace spanflow
