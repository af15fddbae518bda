// SPDX-License-Identifier: Apache-2.0
#include "classify/engine_replay.hpp"

#include <algorithm>
#include <chrono>

#include "classify/detail_text.hpp"
#include "decode/decode.hpp"

namespace spanflow::test {
namespace {

void write_be16(std::byte* target, std::size_t value) {
  target[0] = static_cast<std::byte>(value >> 8);
  target[1] = static_cast<std::byte>(value);
}

// Empty, or why the details of a record are not what spanflow/details.py says.
std::string fault_of(std::span<const std::byte> details) {
  std::size_t at = 0;
  for (int kind = 0; kind < SPANFLOW_DETAILS; ++kind) {
    if (at >= details.size()) {
      return "details end before their last kind";
    }
    const auto length = std::to_integer<std::size_t>(details[at]);
    if (length > kLongestDetail || details.size() - at - 1 < length) {
      return "a detail is longer than it may be";
    }
    const std::string_view text(reinterpret_cast<const char*>(details.data()) + at + 1, length);
    std::vector<std::byte> again;
    append_detail(again, text);
    if (!std::ranges::equal(again, details.subspan(at, 1 + length))) {
      return "a detail is no clean text";
    }
    at += 1 + length;
  }
  return at == details.size() ? "" : "details go on after their last kind";
}

std::string fault_of(const Batch& batch) {
  for (const auto& record : batch.records()) {
    const auto octets = std::span(batch.details());
    if (record.details_offset > octets.size() || octets.size() - record.details_offset < record.details_octets) {
      return "details of a record lie outside the batch";
    }
    if (record.details_octets == 0) {
      continue;
    }
    if (auto fault = fault_of(octets.subspan(record.details_offset, record.details_octets)); !fault.empty()) {
      return fault;
    }
  }
  return {};
}

}  // namespace

MeteringOptions EngineReplay::options(const std::string& engine) {
  MeteringOptions options;
  options.max_flows = 4096;
  options.max_fragments = 64;
  options.secret = HashSecret{{1, 3, 5, 7, 9, 11}};
  ClassificationOptions classification;
  classification.shim = engine;
  classification.tcp_packets = 24;
  classification.udp_packets = 24;
  classification.max_flows = 256;
  classification.memory_octets = std::size_t{2} << 20;
  classification.http_details = true;
  options.classification = classification;
  return options;
}

EngineReplay::EngineReplay(const std::string& engine)
    : process_(options(engine), pool_, queue_, BatchQueue::WhenFull::drop) {}

void EngineReplay::put(const Frame& frame, std::uint32_t captured) {
  captured = static_cast<std::uint32_t>(std::min<std::size_t>(captured, octets_.capacity()));
  Frame cut = frame;
  cut.captured_octets = captured;
  const auto network_offset = header_offsets(cut).network;
  Packet packet;
  if (decode_frame(cut, packet) == Discard::none) {
    // Without what follows the packet in the frame, such as padding.
    captured = static_cast<std::uint32_t>(std::min<std::uint64_t>(captured, network_offset + packet.octets));
  }
  const auto octets = octets_.copy({frame.data, captured});
  cut.data = octets.data();
  cut.captured_octets = captured;
  const auto network = octets.subspan(std::min<std::size_t>(network_offset, octets.size()));
  const auto length = network.size();
  if (packet.version == 4 && length >= 20 && length < packet.octets) {
    write_be16(&network[2], length);
  } else if (packet.version == 6 && length >= 40 && length < packet.octets && length - 40 <= 0xffff) {
    write_be16(&network[4], length - 40);
  }
  clock_ns_ = std::max(clock_ns_, cut.time_ns);
  cut.clock_ns = clock_ns_;
  process_.process(std::span(&cut, 1));
  take_records();
}

std::string EngineReplay::finish() {
  process_.finish(clock_ns_);
  take_records();
  const auto counters = process_.counters();
  if (counters.accounted.packets != counters.handed_over.packets ||
      counters.accounted.octets != counters.handed_over.octets || counters.cached_flows != 0) {
    fault_ = "the sums do not add up";
  }
  const auto& classified = counters.classification;
  if (classified.under_detection != 0 || classified.memory_octets != 0) {
    fault_ = "detection holds something that no Flow has";
  }
  return fault_;
}

void EngineReplay::take_records() {
  while (const auto batch = queue_.pop(std::chrono::milliseconds(0))) {
    if (auto fault = fault_of(*batch); !fault.empty()) {
      fault_ = fault;
    }
  }
}

}  // namespace spanflow::test
