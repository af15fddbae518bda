// SPDX-License-Identifier: Apache-2.0
#include "classify/detection.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "classify/detail_text.hpp"
#include "decode/decode.hpp"

namespace spanflow {
namespace {

constexpr std::uint64_t kLongestPacket = 0xffff;  // engines take lengths of 16 bits
constexpr std::uint64_t kIpv6HeaderOctets = 40;
constexpr std::size_t kLine = 64;                            // octets that memory comes in
constexpr std::size_t kEngineCaches = std::size_t{1} << 20;  // that an engine fills as it goes, whoever the Flow is
constexpr std::size_t kLinesAhead = 8;                       // of a packet that is about to be inspected

constexpr std::size_t rounded(std::size_t octets) noexcept { return (octets + kLine - 1) / kLine * kLine; }

constexpr std::uint32_t states_in(std::size_t octets, std::size_t state_octets) noexcept {
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(octets / state_octets, 1, 0xffff'ffff));
}

void write_be16(std::uint8_t* target, std::uint64_t value) noexcept {
  target[0] = static_cast<std::uint8_t>(value >> 8);
  target[1] = static_cast<std::uint8_t>(value);
}

spanflow_ends ends_of(const HotFlow& hot) noexcept {
  const auto key = hot.key();
  const auto client_is_high = (hot.state & FlowState::initiator_is_high) != 0;
  const auto& client = client_is_high ? key.high : key.low;
  const auto& server = client_is_high ? key.low : key.high;
  const std::size_t skipped = key.version() == 4 ? 12 : 0;
  spanflow_ends ends{};
  std::memcpy(ends.client_address, reinterpret_cast<const std::byte*>(&client) + skipped, sizeof client - skipped);
  std::memcpy(ends.server_address, reinterpret_cast<const std::byte*>(&server) + skipped, sizeof server - skipped);
  ends.client_port = client_is_high ? key.high_port() : key.low_port();
  ends.server_port = client_is_high ? key.low_port() : key.high_port();
  ends.ip_version = key.version();
  ends.protocol = key.protocol();
  return ends;
}

void note(Classification& flow, const spanflow_verdict& verdict) noexcept {
  flow.risk = verdict.risk;
  flow.application = verdict.protocol;
  flow.master_protocol = verdict.master_protocol;
  flow.category = verdict.category;
  flow.risk_score = verdict.risk_score;
  flow.tls_version = verdict.tls_version;
  flow.dns_query_type = verdict.dns_query_type;
  flow.dns_response_code = verdict.dns_response_code;
  flow.confidence = verdict.confidence;
}

}  // namespace

Detection::Detection(const ClassificationOptions& options, std::uint32_t capacity, ClassificationCounters& counters)
    : options_(options),
      engine_(options.shim, options.protocols_file),
      applications_(engine_, options.rules),
      counters_(counters),
      state_octets_(rounded(engine_.flow_octets())),
      most_states_(std::min(options.max_flows, states_in(options.memory_octets / 4, state_octets_))),
      most_allocated_(options.memory_octets / 4 + kEngineCaches),
      flows_(capacity),
      states_(state_octets_ * most_states_),
      details_(options.memory_octets / 2) {
  free_states_.reserve(most_states_);
}

Detection::~Detection() { clear(); }

std::uint8_t Detection::budget_of(std::uint8_t protocol) const noexcept {
  switch (protocol) {
    case Protocol::tcp: return options_.tcp_packets;
    case Protocol::udp: return options_.udp_packets;
    default: return options_.other_packets;
  }
}

void Detection::open(std::uint32_t flow, std::uint8_t protocol) noexcept {
  flows_[flow] = Classification{.risk = 0,
                                .place = DetailStore::kNone,
                                .application = 0,
                                .master_protocol = 0,
                                .category = 0,
                                .risk_score = 0,
                                .tls_version = 0,
                                .dns_query_type = 0,
                                .dns_response_code = FlowRecord::no_dns_response,
                                .confidence = SPANFLOW_CONFIDENCE_NONE,
                                .packets_left = budget_of(protocol),
                                .stage = DetectionStage::waiting};
}

// ---- inspection ----

bool Detection::inspect(std::uint32_t number, std::span<const std::uint8_t> octets, const Packet& packet,
                        const HotFlow& hot, Arrival arrival) {
  auto& flow = flows_[number];
  if (flow.stage == DetectionStage::waiting) {
    if (!take_state(flow)) {
      guess(flow, hot);
      return true;
    }
  } else if (allocated() > most_allocated_) [[unlikely]] {
    counters_.refused_memory += 1;
    decide(flow, engine_.give_up(state(flow.place)), hot);
    return true;
  }
  const auto whole = octets.size() == packet.octets && !packet.first_fragment;
  if (!whole && flow.stage == DetectionStage::inspecting) {
    collect_details(state(flow.place));  // those that were found before it
    flow.stage = DetectionStage::inspecting_pieces;
  }
  const auto inspected = with_true_length(octets, packet.version);
  const auto verdict = engine_.inspect(
      state(flow.place),
      spanflow_packet{.network = inspected.data(),
                      .octets = static_cast<std::uint32_t>(inspected.size()),
                      .time_ms = static_cast<std::uint64_t>(std::max(arrival.time_ns, std::int64_t{0})) / 1'000'000,
                      .from_server = static_cast<std::uint8_t>(arrival.from_server),
                      .seen_beginning = static_cast<std::uint8_t>(arrival.seen_beginning)});
  counters_.inspected_packets += 1;
  flow.packets_left -= 1;
  if (verdict.done != 0 || (!whole && verdict.protocol != 0)) {
    counters_.detected += 1;
    decide(flow, verdict, hot);
    return true;
  }
  if (flow.packets_left == 0) {
    // Known by now: the engine would only have looked for more names.
    (verdict.protocol != 0 ? counters_.detected : counters_.given_up) += 1;
    decide(flow, verdict.protocol != 0 ? verdict : engine_.give_up(state(flow.place)), hot);
    return true;
  }
  note(flow, verdict);
  collected_.clear();
  return false;
}

std::span<const std::uint8_t> Detection::wanted(const Frame& frame, const Packet& packet) const noexcept {
  if (packet.later_fragment) {
    return {};  // a piece of somebody's payload, without its beginning
  }
  const auto [network, to_transport] = header_offsets(frame);
  const auto captured = std::uint64_t{frame.captured_octets} - network;
  const std::span octets(reinterpret_cast<const std::uint8_t*>(frame.data) + network,
                         std::min({captured, packet.octets, kLongestPacket}));
  if (options_.empty_packets) {
    return octets;
  }
  const auto transport = octets.subspan(std::min<std::size_t>(to_transport, octets.size()));
  const auto has_payload = [&] {
    switch (packet.protocol) {
      case Protocol::tcp: return transport.size() > 12 && transport.size() > std::size_t{transport[12]} / 16 * 4;
      case Protocol::udp: return transport.size() > 8;
      default: return true;  // what lies there is for the engine to say
    }
  };
  return has_payload() ? octets : std::span<const std::uint8_t>{};
}

void Detection::prefetch_inspection(std::uint32_t number, std::span<const std::uint8_t> octets) const noexcept {
  const auto& flow = flows_[number];
  if (is_inspecting(flow.stage)) {
    const auto* begin = &states_[std::size_t{flow.place} * state_octets_];
    for (std::size_t octet = 0; octet < state_octets_; octet += kLine) {
      __builtin_prefetch(begin + octet, 1);
    }
  }
  for (std::size_t line = 1; line < kLinesAhead; ++line) {
    __builtin_prefetch(octets.data() + line * kLine);
  }
}

void Detection::prefetch_details(std::uint32_t number) const noexcept {
  const auto& flow = flows_[number];
  if (flow.stage == DetectionStage::decided && flow.place != DetailStore::kNone) {
    details_.prefetch(flow.place);
  }
}

// Engines believe the lengths in headers: where the capture was cut, or the length left to segmentation offload, it is
// a copy with a length that is true.
std::span<const std::uint8_t> Detection::with_true_length(std::span<const std::uint8_t> packet,
                                                          std::uint8_t ip_version) {
  const auto* begin = packet.data();
  const auto octets = packet.size();
  const auto said = ip_version == 4 ? std::uint64_t{begin[2]} << 8 | begin[3]
                                    : (std::uint64_t{begin[4]} << 8 | begin[5]) + kIpv6HeaderOctets;
  if (said == octets) [[likely]] {
    return packet;
  }
  cut_packet_.assign(begin, begin + octets);
  if (ip_version == 4) {
    write_be16(&cut_packet_[2], octets);
  } else {
    write_be16(&cut_packet_[4], octets - kIpv6HeaderOctets);
  }
  return cut_packet_;
}

// ---- states of the engine ----

std::size_t Detection::allocated() const noexcept {
  return static_cast<std::size_t>(std::max(engine_.allocated() - allocated_before_, std::int64_t{0}));
}

void Detection::measure() noexcept {
  const auto states = std::size_t{fresh_state_} - free_states_.size();
  counters_.memory_octets = states * state_octets_ + (started_ ? allocated() : 0) + details_.octets_in_use();
}

bool Detection::take_state(Classification& flow) {
  if (!started_) {
    started_ = true;
    allocated_before_ = engine_.allocated();
  }
  const auto no_state = free_states_.empty() && fresh_state_ == most_states_;
  if (no_state && most_states_ == options_.max_flows) {
    counters_.refused_flows += 1;
    return false;
  }
  if (no_state || allocated() > most_allocated_) {
    counters_.refused_memory += 1;
    return false;
  }
  if (free_states_.empty()) {
    flow.place = fresh_state_++;
  } else {
    flow.place = free_states_.back();
    free_states_.pop_back();
  }
  engine_.begin_flow(state(flow.place));
  flow.stage = DetectionStage::inspecting;
  counters_.under_detection += 1;
  return true;
}

void Detection::release_state(Classification& flow) noexcept {
  engine_.end_flow(state(flow.place));
  free_states_.push_back(flow.place);
  flow.place = DetailStore::kNone;
  counters_.under_detection -= 1;
}

// ---- verdicts ----

void Detection::conclude(std::uint32_t number, const HotFlow& hot) {
  auto& flow = flows_[number];
  if (is_inspecting(flow.stage)) {
    const auto known = flow.application != 0;
    (known ? counters_.detected : counters_.given_up) += 1;
    auto verdict = engine_.give_up(state(flow.place));
    decide(flow, verdict, hot);
  } else if (flow.stage == DetectionStage::waiting) {
    counters_.guessed += 1;
    guess(flow, hot);
  }
}

Classification Detection::current(std::uint32_t number, const HotFlow& hot) {
  auto flow = flows_[number];
  if (flow.stage != DetectionStage::decided) {
    if (flow.application == 0) {
      note(flow, engine_.guess(ends_of(hot)));
    }
    flow.place = DetailStore::kNone;
  }
  return flow;
}

void Detection::guess(Classification& flow, const HotFlow& hot) { decide(flow, engine_.guess(ends_of(hot)), hot); }

void Detection::decide(Classification& flow, const spanflow_verdict& verdict, const HotFlow& hot) {
  details_.prefetch_free();
  note(flow, verdict);
  if (flow.stage == DetectionStage::inspecting) {
    collect_details(state(flow.place));
  }
  if (is_inspecting(flow.stage)) {
    release_state(flow);
  }
  std::string_view server_name;
  if (!collected_.empty()) {
    static_assert(SPANFLOW_DETAIL_SERVER_NAME == 0, "its length is the first octet");
    server_name = {reinterpret_cast<const char*>(&collected_[1]), std::to_integer<std::size_t>(collected_[0])};
  }
  const auto key = hot.key();
  const auto rule =
      std::ranges::find_if(options_.rules, [&](const Rule& each) { return each.matches(key, server_name); });
  if (rule != options_.rules.end()) {
    flow.master_protocol = flow.master_protocol != 0 ? flow.master_protocol : flow.application;
    flow.application = applications_.application_of_rule(static_cast<std::size_t>(rule - options_.rules.begin()));
    flow.confidence = SPANFLOW_CONFIDENCE_RULE;
  }
  if (!collected_.empty()) {
    flow.place = details_.put(collected_);
    counters_.dropped_details += flow.place == DetailStore::kNone ? 1U : 0U;
  }
  collected_.clear();
  flow.stage = DetectionStage::decided;
}

// All details of a flow, in the form in which they are stored; none if every one is empty.
void Detection::collect_details(const void* state) {
  std::array<char, kLongestDetail> text;
  for (int kind = 0; kind < SPANFLOW_DETAILS; ++kind) {
    const auto wanted =
        options_.http_details || (kind != SPANFLOW_DETAIL_HTTP_USER_AGENT && kind != SPANFLOW_DETAIL_HTTP_URL);
    const auto length = wanted ? engine_.detail(state, static_cast<spanflow_detail>(kind), text) : 0;
    append_detail(collected_, {text.data(), std::min(length, text.size())});
  }
  if (collected_.size() == SPANFLOW_DETAILS) {
    collected_.clear();
  }
}

// ---- leaving ----

void Detection::close(std::uint32_t number) noexcept {
  auto& flow = flows_[number];
  if (is_inspecting(flow.stage)) {
    release_state(flow);
  } else if (flow.place != DetailStore::kNone) {
    details_.erase(flow.place);
  }
  flow.stage = DetectionStage::decided;
  flow.place = DetailStore::kNone;
}

void Detection::clear() noexcept {
  std::ranges::sort(free_states_);  // in place: there may be no memory to be had
  auto free = free_states_.begin();
  for (std::uint32_t slot = 0; slot < fresh_state_; ++slot) {
    if (free != free_states_.end() && *free == slot) {
      ++free;
    } else {
      engine_.end_flow(state(slot));
    }
  }
  free_states_.clear();
  fresh_state_ = 0;
  flows_.clear();
  details_.clear();
  started_ = false;
  counters_.under_detection = 0;
}

}  // namespace spanflow
