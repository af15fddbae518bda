// SPDX-License-Identifier: Apache-2.0
// What is known of the application of a Flow.
#pragma once

#include <cstdint>

namespace spanflow {

enum class DetectionStage : std::uint8_t {
  waiting,            // no packet has been inspected
  inspecting,         // the engine keeps a state
  inspecting_pieces,  // the same, but a packet was not whole: names that come now are not to be believed
  decided,
};

constexpr bool is_inspecting(DetectionStage stage) noexcept {
  return stage == DetectionStage::inspecting || stage == DetectionStage::inspecting_pieces;
}

// Kept beside the Flow, only where classification is on.
struct Classification {
  std::uint64_t risk;
  std::uint32_t
      place;  // inspecting: the slot of the engine's state; decided: the Flow's details, or DetailStore::kNone
  std::uint16_t application;
  std::uint16_t master_protocol;
  std::uint16_t category;
  std::uint16_t risk_score;
  std::uint16_t tls_version;
  std::uint16_t dns_query_type;
  std::uint8_t dns_response_code;
  std::uint8_t confidence;
  std::uint8_t packets_left;  // that may still be inspected
  DetectionStage stage;
};
static_assert(sizeof(Classification) == 32);

}  // namespace spanflow
