// SPDX-License-Identifier: Apache-2.0
// What a core asked of its classification engine, call by call: written by `recorder`, read by `replay`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "classify/classifier.h"

namespace bench {

enum class Call : std::uint8_t { begin_flow, end_flow, inspect, give_up, guess, detail };
inline constexpr std::array<const char*, 6> kCallNames = {"begin_flow", "end_flow", "inspect",
                                                          "give_up",    "guess",    "detail"};

// In front of each call. The packet (inspect) or the spanflow_ends (guess) follows, filled up to a multiple of 8.
struct CallHead {
  Call call;
  std::uint8_t from_server;     // inspect
  std::uint8_t seen_beginning;  // inspect
  std::uint8_t kind;            // detail
  std::uint32_t slot;           // which flow, all but guess
  std::uint32_t octets;         // inspect: of the packet; guess: of the ends; detail: room for the text
  std::uint32_t unused = 0;
  std::uint64_t time_ms;  // inspect
};
static_assert(sizeof(CallHead) == 24);

constexpr std::size_t filled_up(std::size_t octets) { return (octets + 7) / 8 * 8; }

// At the beginning of the file; its numbers are known when the recorder ends.
struct TraceHead {
  static constexpr std::uint64_t kMagic = 0x3165636172546e65;  // a trace without its end does not have it

  std::uint64_t magic = 0;
  std::uint64_t stride = 0;  // octets from one flow's memory to the next
  std::uint64_t slots = 0;
  std::uint64_t octets = 0;  // of the calls
  std::uint64_t digest = 0;  // of all answers: see Digest
  std::array<std::uint64_t, kCallNames.size()> calls{};
  std::uint64_t most_flows = 0;  // begun and not ended
  std::int64_t most_allocated =
      0;                         // octets that the engine had allocated, at its highest, without what it had at first
  std::uint64_t flows_then = 0;  // begun and not ended at that time
  std::uint64_t detail_octets = 0;
};

// Has the engine said the same again? One multiplication for each answer: it is part of the time of a replay.
class Digest {
 public:
  void add(const spanflow_verdict& verdict) {
    add(verdict.risk ^ (std::uint64_t{verdict.protocol} << 48 | std::uint64_t{verdict.master_protocol} << 32 |
                        std::uint64_t{verdict.category} << 16 | std::uint64_t{verdict.confidence} << 8 | verdict.done));
  }
  void add(std::uint64_t value) { value_ = (value_ ^ value) * 0x9e3779b97f4a7c15; }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

}  // namespace bench
