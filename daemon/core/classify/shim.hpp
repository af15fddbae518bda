// SPDX-License-Identifier: Apache-2.0
// A classification engine behind its ABI: loaded at run time, one instance for each worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "classify/classifier.h"
#include "crash_report.hpp"

namespace spanflow {

// Owner: who opened it, one thread at a time; opening and closing: the control thread.
class Engine {
 public:
  // protocols_file: empty, or a file in the engine's own format. Throws std::runtime_error, one line why.
  Engine(const std::string& shim, const std::string& protocols_file);

  [[nodiscard]] std::string name() const { return shim_->engine; }
  [[nodiscard]] std::string version() const { return shim_->version(engine_.get()); }

  [[nodiscard]] std::size_t flow_octets() const { return shim_->flow_octets(engine_.get()); }
  void begin_flow(void* flow) { shim_->begin_flow(engine_.get(), flow); }
  void end_flow(void* flow) {
    const EngineAtWork at_work;
    shim_->end_flow(engine_.get(), flow);
  }

  [[nodiscard]] spanflow_verdict inspect(void* flow, const spanflow_packet& packet) {
    const EngineAtWork at_work;
    spanflow_verdict verdict = kUndecided;
    shim_->inspect(engine_.get(), flow, &packet, &verdict);
    return verdict;
  }
  [[nodiscard]] spanflow_verdict give_up(void* flow) {
    const EngineAtWork at_work;
    spanflow_verdict verdict = kUndecided;
    shim_->give_up(engine_.get(), flow, &verdict);
    return verdict;
  }
  [[nodiscard]] spanflow_verdict guess(const spanflow_ends& ends) {
    const EngineAtWork at_work;
    spanflow_verdict verdict = kUndecided;
    shim_->guess(engine_.get(), &ends, &verdict);
    return verdict;
  }
  // How many octets of `text` were filled.
  [[nodiscard]] std::size_t detail(const void* flow, spanflow_detail kind, std::span<char> text) const {
    return shim_->detail(engine_.get(), flow, kind, text.data(), text.size());
  }

  // What this thread has allocated for the engine's flows and not freed; may be negative.
  [[nodiscard]] std::int64_t allocated() const { return shim_->allocated(); }

  // Protocols 0 .. protocols() - 1, the user's own from built_in() on; a name may be null.
  [[nodiscard]] std::uint32_t protocols() const { return protocols_; }
  [[nodiscard]] std::uint32_t built_in() const { return built_in_; }
  [[nodiscard]] const char* protocol_name(std::uint16_t protocol) const {
    return shim_->protocol_name(engine_.get(), protocol);
  }
  [[nodiscard]] std::uint16_t protocol_category(std::uint16_t protocol) const {
    return shim_->protocol_category(engine_.get(), protocol);
  }
  [[nodiscard]] const char* protocol_breed(std::uint16_t protocol) const {
    return shim_->protocol_breed(engine_.get(), protocol);
  }
  [[nodiscard]] std::uint32_t categories() const { return shim_->categories(engine_.get()); }
  [[nodiscard]] const char* category_name(std::uint16_t category) const {
    return shim_->category_name(engine_.get(), category);
  }
  [[nodiscard]] const char* risk_name(std::uint32_t bit) const { return shim_->risk_name(bit); }

 private:
  static constexpr spanflow_verdict kUndecided{.risk = 0,
                                               .master_protocol = 0,
                                               .protocol = 0,
                                               .category = 0,
                                               .risk_score = 0,
                                               .tls_version = 0,
                                               .dns_query_type = 0,
                                               .dns_response_code = 255,
                                               .confidence = SPANFLOW_CONFIDENCE_NONE,
                                               .done = 0};

  const spanflow_classifier* shim_;
  std::unique_ptr<spanflow_engine, void (*)(spanflow_engine*)> engine_;
  std::uint32_t protocols_ = 0;
  std::uint32_t built_in_ = 0;
};

}  // namespace spanflow
