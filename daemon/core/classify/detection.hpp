// SPDX-License-Identifier: Apache-2.0
// From the first packets of a Flow to its application, within bounds of packets, Flows and memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/flow_record.hpp"
#include "classify/application_table.hpp"
#include "classify/classification.hpp"
#include "classify/detail_store.hpp"
#include "classify/rules.hpp"
#include "classify/shim.hpp"
#include "counters.hpp"
#include "decode/packet.hpp"
#include "memory_region.hpp"

namespace spanflow {

struct ClassificationOptions {
  std::string shim;            // path of the shared object
  std::string protocols_file;  // empty: none
  std::uint8_t tcp_packets = 12;
  std::uint8_t udp_packets = 8;
  std::uint8_t other_packets = 8;
  bool empty_packets = false;  // packets without payload are inspected too, and count
  std::uint32_t max_flows = 65'536;
  std::size_t memory_octets = std::size_t{256} << 20;
  bool http_details = false;  // user agent and URL
  std::vector<Rule> rules;
};

// When a packet came, and where it stands in its Flow.
struct Arrival {
  std::int64_t time_ns = 0;
  bool from_server = false;
  bool seen_beginning = false;  // of TCP: a SYN came before it, or is in it
};

// Owner: one metering worker. A Flow is opened, inspected until is_decided, and closed when it leaves; when it leaves
// undecided, conclude() says the last word.
class Detection {
 public:
  // capacity: Flows of the cache. Throws std::runtime_error when the engine cannot be had, std::bad_alloc.
  Detection(const ClassificationOptions& options, std::uint32_t capacity, ClassificationCounters& counters);
  ~Detection();
  Detection(const Detection&) = delete;
  Detection& operator=(const Detection&) = delete;

  void open(std::uint32_t flow, std::uint8_t protocol) noexcept;

  // What there is to look at in a packet, from its IP header on, as far as it was captured; empty: nothing.
  [[nodiscard]] std::span<const std::uint8_t> wanted(const Frame& frame, const Packet& packet) const noexcept;

  // Looks at what is wanted of a packet of a Flow that is not decided. True: now it is.
  bool inspect(std::uint32_t flow, std::span<const std::uint8_t> octets, const Packet& packet, const HotFlow& hot,
               Arrival arrival);

  // The last word on a Flow that is not decided.
  void conclude(std::uint32_t flow, const HotFlow& hot);

  // What a record says that leaves now, also of a Flow that is not decided.
  [[nodiscard]] Classification current(std::uint32_t flow, const HotFlow& hot);

  // In two steps, so that the memory has come when it is needed: first, then what that one leads to.
  void prefetch(std::uint32_t flow) const noexcept { __builtin_prefetch(&flows_[flow], 1); }
  void prefetch_inspection(std::uint32_t flow, std::span<const std::uint8_t> octets) const noexcept;
  void prefetch_details(std::uint32_t flow) const noexcept;

  void close(std::uint32_t flow) noexcept;
  void clear() noexcept;

  // Counts what is held now.
  void measure() noexcept;

  [[nodiscard]] std::uint32_t application_id(std::uint16_t application) const noexcept {
    return applications_.application_id(application);
  }
  [[nodiscard]] const DetailStore& details() const noexcept { return details_; }

 private:
  [[nodiscard]] std::uint8_t budget_of(std::uint8_t protocol) const noexcept;
  [[nodiscard]] std::size_t allocated() const noexcept;
  [[nodiscard]] std::span<const std::uint8_t> with_true_length(std::span<const std::uint8_t> packet,
                                                               std::uint8_t ip_version);
  [[nodiscard]] bool take_state(Classification& flow);
  void release_state(Classification& flow) noexcept;
  [[nodiscard]] void* state(std::uint32_t slot) noexcept { return &states_[std::size_t{slot} * state_octets_]; }
  void decide(Classification& flow, const spanflow_verdict& verdict, const HotFlow& hot);
  void guess(Classification& flow, const HotFlow& hot);
  void collect_details(const void* state);

  ClassificationOptions options_;
  Engine engine_;
  ApplicationTable applications_;
  ClassificationCounters& counters_;
  std::size_t state_octets_;

  // Of the memory a half is for details, a quarter for states, and a quarter for what the engine allocates beside them:
  // what one of them has touched and given back the others need not make up for.
  std::uint32_t most_states_;
  std::size_t most_allocated_;

  Region<Classification> flows_;
  Region<std::byte> states_;
  std::vector<std::uint32_t> free_states_;
  std::uint32_t fresh_state_ = 0;  // slots from here on were never used
  DetailStore details_;
  std::int64_t allocated_before_ = 0;  // by this thread for other workers
  bool started_ = false;
  std::vector<std::uint8_t> cut_packet_;
  std::vector<std::byte> collected_;  // of the Flow that is being inspected or decided
};

}  // namespace spanflow
