// SPDX-License-Identifier: Apache-2.0
#include "ipfix_counter.hpp"

#include <cstring>

namespace bench {

namespace {

constexpr std::size_t version_octets = 2;
constexpr std::size_t set_header_octets = 4;
constexpr std::uint16_t field_octets = 4;
constexpr std::uint16_t variable_length = 65535;
constexpr std::uint32_t reverse_enterprise = 29305;  // RFC 5103 section 6.1

// Big-endian unsigned integer of 1 to 8 octets; the caller has checked that they are there.
std::uint64_t number(std::span<const std::byte> octets, std::size_t at, std::size_t length) noexcept {
  if (length == 8) {
    std::uint64_t value;
    std::memcpy(&value, octets.subspan(at).data(), sizeof value);
    return __builtin_bswap64(value);
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < length; ++i) value = value << 8 | std::to_integer<std::uint64_t>(octets[at + i]);
  return value;
}

std::uint16_t number16(std::span<const std::byte> octets, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(number(octets, at, 2));
}

std::uint32_t number32(std::span<const std::byte> octets, std::size_t at) noexcept {
  return static_cast<std::uint32_t>(number(octets, at, 4));
}

}  // namespace

IpfixCounter::Kind IpfixCounter::kind_of(std::uint16_t element, std::uint32_t enterprise) noexcept {
  const bool reverse = enterprise == reverse_enterprise;
  if (enterprise != 0 && !reverse) return kinds;
  switch (element) {
    case 1:   // octetDeltaCount
    case 85:  // octetTotalCount
      return reverse ? reverse_octets : octets;
    case 2:   // packetDeltaCount
    case 86:  // packetTotalCount
      return reverse ? reverse_packets : packets;
    default: return kinds;
  }
}

// RFC 7011 sections 3.4.1 and 3.4.2, RFC 3954 sections 5.2 and 6.1. Returns false when the Set ends inside a
// Template Record.
bool IpfixCounter::read_templates(std::span<const std::byte> set, bool options, const Version& version,
                                  Domain& domain) {
  const std::size_t head = options ? 6 : 4;
  std::size_t at = 0;
  while (set.size() - at >= head) {
    const std::uint16_t id = number16(set, at);
    if (id < 256) return true;  // padding
    std::uint16_t count = number16(set, at + 2);
    if (options && version.counts_octets) {
      count = static_cast<std::uint16_t>((count + number16(set, at + 4)) / field_octets);
    }
    at += head;
    Template made;
    made.options = options;
    for (std::uint16_t i = 0; i < count; ++i) {
      if (set.size() - at < 4) return false;
      const std::uint16_t element = number16(set, at);
      const Field field{number16(set, at + 2), kinds};
      std::uint32_t enterprise = 0;
      at += 4;
      if (version.enterprises && (element & 0x8000U) != 0) {
        if (set.size() - at < 4) return false;
        enterprise = number32(set, at);
        at += 4;
      }
      made.fields.push_back(field);
      const bool variable = field.length == variable_length;
      const Kind kind = kind_of(element & 0x7fffU, enterprise);
      if (!variable && field.length <= 8 && kind != kinds && made.length[kind] == 0) {
        made.fields.back().kind = kind;
        made.offset[kind] = made.least_octets;
        made.length[kind] = static_cast<std::uint8_t>(field.length);
      }
      made.fixed = made.fixed && !variable;
      made.least_octets += variable ? 1U : field.length;
    }
    totals_.templates += 1;
    domain.templates.insert_or_assign(id, std::move(made));
  }
  return true;
}

// Counts the Data Records of a Set; what is left at its end is padding (RFC 7011 section 3.3.1).
std::uint64_t IpfixCounter::count_records(std::span<const std::byte> set, const Template& known) {
  if (known.least_octets == 0) return 0;
  if (!known.fixed) return count_variable(set, known);
  const std::uint64_t records = set.size() / known.least_octets;
  if (known.options) {
    totals_.option_records += records;
    return records;
  }
  const std::array<std::uint64_t*, kinds> sums = {&totals_.packets, &totals_.octets, &totals_.reverse_packets,
                                                  &totals_.reverse_octets};
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    if (known.length[kind] == 0) continue;
    std::uint64_t sum = 0;
    std::size_t at = known.offset[kind];
    for (std::uint64_t i = 0; i < records; ++i, at += known.least_octets) sum += number(set, at, known.length[kind]);
    *sums[kind] += sum;
  }
  totals_.records += records;
  return records;
}

std::uint64_t IpfixCounter::count_variable(std::span<const std::byte> set, const Template& known) {
  std::uint64_t records = 0;
  std::size_t at = 0;
  while (set.size() - at >= known.least_octets) {
    std::array<std::uint64_t, kinds + 1> value{};
    for (const Field& field : known.fields) {
      std::size_t length = field.length;
      if (field.length == variable_length) {
        length = at < set.size() ? number(set, at++, 1) : variable_length;
        if (length == 255) {
          length = set.size() - at >= 2 ? number16(set, at) : variable_length;
          at += 2;
        }
      }
      if (at > set.size() || set.size() - at < length) {
        totals_.malformed += 1;
        return records;
      }
      if (field.kind != kinds) value[field.kind] = number(set, at, length);
      at += length;
    }
    records += 1;
    (known.options ? totals_.option_records : totals_.records) += 1;
    if (known.options) continue;
    totals_.packets += value[packets];
    totals_.octets += value[octets];
    totals_.reverse_packets += value[reverse_packets];
    totals_.reverse_octets += value[reverse_octets];
  }
  return records;
}

void IpfixCounter::count_message(std::span<const std::byte> message) {
  totals_.messages += 1;
  totals_.message_octets += message.size();
  switch (message.size() < version_octets ? 0 : number16(message, 0)) {
    case 5: return count_netflow5(message);
    case 9: return count_netflow9(message);
    case 10: return count_ipfix(message);
    default: totals_.malformed += 1;
  }
}

// RFC 7011 section 3.1.
void IpfixCounter::count_ipfix(std::span<const std::byte> message) {
  if (message.size() < ipfix.header_octets || number16(message, 2) != message.size()) {
    totals_.malformed += 1;
    return;
  }
  Domain& domain = domains_[number32(message, 12)];
  // The number of Data Records sent before this message, modulo 2^32.
  const std::uint32_t sequence = number32(message, 8);
  note_sequence(domain, sequence);
  domain.next_sequence = sequence + static_cast<std::uint32_t>(count_sets(message, ipfix, domain));
}

// RFC 3954 section 5.1: the sequence number counts packets.
void IpfixCounter::count_netflow9(std::span<const std::byte> packet) {
  if (packet.size() < netflow9.header_octets) {
    totals_.malformed += 1;
    return;
  }
  Domain& domain = domains_[number32(packet, 16)];
  const std::uint32_t sequence = number32(packet, 12);
  note_sequence(domain, sequence);
  domain.next_sequence = sequence + 1;
  count_sets(packet, netflow9, domain);
}

// The header has 24 octets, each record 48; the sequence number counts records.
void IpfixCounter::count_netflow5(std::span<const std::byte> packet) {
  constexpr std::size_t header_octets = 24;
  constexpr std::size_t record_octets = 48;
  const std::size_t count = packet.size() < header_octets ? 0 : number16(packet, 2);
  if (count == 0 || packet.size() != header_octets + count * record_octets) {
    totals_.malformed += 1;
    return;
  }
  Domain& domain = domains_[number16(packet, 20)];
  const std::uint32_t sequence = number32(packet, 16);
  note_sequence(domain, sequence);
  domain.next_sequence = sequence + static_cast<std::uint32_t>(count);
  for (std::size_t at = header_octets; at < packet.size(); at += record_octets) {
    totals_.packets += number32(packet, at + 16);
    totals_.octets += number32(packet, at + 20);
  }
  totals_.records += count;
}

void IpfixCounter::note_sequence(Domain& domain, std::uint32_t sequence) {
  if (domain.sequence_known) {
    const auto missing = static_cast<std::int32_t>(sequence - domain.next_sequence);
    if (missing != 0) totals_.sequence_gaps += missing > 0 ? static_cast<std::uint32_t>(missing) : 1U;
  }
  domain.sequence_known = true;
}

// Returns the Data Records, those of options too.
std::uint64_t IpfixCounter::count_sets(std::span<const std::byte> message, const Version& version, Domain& domain) {
  std::uint64_t records = 0;
  std::size_t at = version.header_octets;
  while (message.size() - at >= set_header_octets) {
    const std::uint16_t id = number16(message, at);
    const std::size_t length = number16(message, at + 2);
    if (length < set_header_octets || message.size() - at < length) {
      totals_.malformed += 1;
      break;
    }
    const auto set = message.subspan(at + set_header_octets, length - set_header_octets);
    at += length;
    if (id == version.template_set || id == version.options_set) {
      if (!read_templates(set, id == version.options_set, version, domain)) totals_.malformed += 1;
    } else if (const auto known = domain.templates.find(id); known != domain.templates.end()) {
      records += count_records(set, known->second);
    } else {
      totals_.unknown_sets += 1;
      domain.sequence_known = false;  // how many records it held cannot be told
    }
  }
  return records;
}

}  // namespace bench
