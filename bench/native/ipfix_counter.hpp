// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace bench {

// What the messages of one collector add up to.
struct Totals {
  std::uint64_t messages = 0;
  std::uint64_t message_octets = 0;
  std::uint64_t records = 0;          // Data Records of ordinary Templates
  std::uint64_t option_records = 0;   // Data Records of Options Templates
  std::uint64_t packets = 0;          // packetDeltaCount or packetTotalCount
  std::uint64_t octets = 0;           // octetDeltaCount or octetTotalCount
  std::uint64_t reverse_packets = 0;  // the same two as reverse Information Elements (RFC 5103)
  std::uint64_t reverse_octets = 0;
  std::uint64_t templates = 0;      // Template Records seen, repetitions included
  std::uint64_t unknown_sets = 0;   // Data Sets without a Template
  std::uint64_t malformed = 0;      // messages or Sets that contradict themselves
  std::uint64_t sequence_gaps = 0;  // Data Records (version 9: packets) missing by the sequence numbers
};

// Decodes IPFIX Messages (RFC 7011), and packets of NetFlow versions 9 (RFC 3954) and 5, far enough to count
// them; keeps Templates per Observation Domain.
// A Template is compiled once into the offsets of its counters, so that a Data Record costs a few loads.
class IpfixCounter {
 public:
  void count_message(std::span<const std::byte> message);
  const Totals& totals() const noexcept { return totals_; }

 private:
  enum Kind : std::uint8_t { packets, octets, reverse_packets, reverse_octets, kinds };

  struct Field {
    std::uint16_t length = 0;  // 65535: variable (RFC 7011 section 7)
    Kind kind = kinds;
  };

  struct Template {
    bool options = false;
    bool fixed = true;
    std::size_t least_octets = 0;  // of one Data Record; exact when fixed
    std::vector<Field> fields;
    std::array<std::size_t, kinds> offset{};   // of each counter in a fixed record
    std::array<std::uint8_t, kinds> length{};  // 0: this Template has no such counter
  };

  struct Domain {
    bool sequence_known = false;
    std::uint32_t next_sequence = 0;
    std::map<std::uint16_t, Template> templates;
  };

  // What differs between the protocols that have Templates.
  struct Version {
    std::size_t header_octets;
    std::uint16_t template_set;
    std::uint16_t options_set;
    bool enterprises;    // the highest bit of an element's number says that an enterprise number follows
    bool counts_octets;  // an Options Template says how many octets its fields take, not how many they are
  };

  static constexpr Version ipfix{16, 2, 3, true, false};
  static constexpr Version netflow9{20, 0, 1, false, true};

  void count_ipfix(std::span<const std::byte> message);
  void count_netflow9(std::span<const std::byte> packet);
  void count_netflow5(std::span<const std::byte> packet);
  void note_sequence(Domain& domain, std::uint32_t sequence);
  std::uint64_t count_sets(std::span<const std::byte> message, const Version& version, Domain& domain);
  static Kind kind_of(std::uint16_t element, std::uint32_t enterprise) noexcept;
  bool read_templates(std::span<const std::byte> set, bool options, const Version& version, Domain& domain);
  std::uint64_t count_records(std::span<const std::byte> set, const Template& known);
  std::uint64_t count_variable(std::span<const std::byte> set, const Template& known);

  Totals totals_;
  std::map<std::uint32_t, Domain> domains_;
};

}  // namespace bench
