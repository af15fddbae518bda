// SPDX-License-Identifier: Apache-2.0
// The capture filter, evaluated by libpcap's own interpreter.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "decode/packet.hpp"

struct bpf_program;

namespace spanflow {

// Such as 1.10.3.
[[nodiscard]] std::string libpcap_version();

// What libpcap says against an expression for frames of a link type; empty when it compiles.
[[nodiscard]] std::string filter_problem(const std::string& expression, std::uint16_t link_type);

// Owner: one thread. An expression in the language of pcap-filter(7), compiled once for each link type that is met.
class PacketFilter {
 public:
  explicit PacketFilter(std::string expression);
  ~PacketFilter();
  PacketFilter(PacketFilter&&) noexcept;
  PacketFilter(const PacketFilter&) = delete;
  PacketFilter& operator=(const PacketFilter&) = delete;
  PacketFilter& operator=(PacketFilter&&) = delete;

  [[nodiscard]] bool accepts(const Frame& frame) { return expression_.empty() || matches(frame); }

  void prepare(std::uint16_t link_type) {
    if (!expression_.empty()) {
      static_cast<void>(program_for(link_type));
    }
  }

  // What libpcap says of the expression for some link type that was met; empty when all is well. Frames of a link type
  // for which it does not compile do not match.
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

 private:
  struct Program;

  [[nodiscard]] bool matches(const Frame& frame);
  [[nodiscard]] const Program& program_for(std::uint16_t link_type);

  std::string expression_;
  std::vector<std::unique_ptr<Program>> programs_;
  std::string error_;
};

}  // namespace spanflow
