// SPDX-License-Identifier: Apache-2.0
#include "decode/fragments.hpp"

#include <algorithm>

namespace spanflow {

FragmentTable::FragmentTable(std::uint32_t entries, bool vlan_in_key, const HashSecret& secret)
    : vlan_in_key_(vlan_in_key), secret_(secret), ring_(std::max(entries, 1U)), buckets_(ring_.size(), kNone) {}

std::uint32_t FragmentTable::bucket_of(const Packet& packet) const noexcept {
  const auto identification = packet.identification;
  const FlowKey key{.low = packet.source,
                    .high = packet.destination,
                    .ports_and_more = FlowKey::pack(static_cast<std::uint16_t>(identification),
                                                    static_cast<std::uint16_t>(identification >> 16),
                                                    packet.fragment_protocol, packet.version, 0)};
  return static_cast<std::uint32_t>((hash_key(key, secret_) >> 32) * buckets_.size() >> 32);
}

bool FragmentTable::same(const Entry& entry, const Packet& packet) const noexcept {
  return entry.identification == packet.identification && entry.fragment_protocol == packet.fragment_protocol &&
         entry.source == packet.source && entry.destination == packet.destination &&
         (!vlan_in_key_ || entry.vlan == packet.link.vlan_id);
}

void FragmentTable::unlink(std::uint32_t index) noexcept {
  const auto& entry = ring_[index];
  if (entry.chain == kNone) {
    return;
  }
  (entry.newer == kNone ? buckets_[entry.chain] : ring_[entry.newer].older) = entry.older;
  if (entry.older != kNone) {
    ring_[entry.older].newer = entry.newer;
  }
}

void FragmentTable::remember(const Packet& packet, std::int64_t time_ns) noexcept {
  unlink(newest_);
  const auto bucket = bucket_of(packet);
  ring_[newest_] = Entry{.source = packet.source,
                         .destination = packet.destination,
                         .identification = packet.identification,
                         .vlan = packet.link.vlan_id,
                         .fragment_protocol = packet.fragment_protocol,
                         .protocol = packet.protocol,
                         .source_port = packet.source_port,
                         .destination_port = packet.destination_port,
                         .time_ns = time_ns,
                         .chain = bucket,
                         .older = buckets_[bucket]};
  if (buckets_[bucket] != kNone) {
    ring_[buckets_[bucket]].newer = newest_;
  }
  buckets_[bucket] = newest_;
  newest_ = newest_ + 1 == ring_.size() ? 0 : newest_ + 1;
}

bool FragmentTable::complete(Packet& packet, std::int64_t time_ns) const noexcept {
  for (auto index = buckets_[bucket_of(packet)]; index != kNone; index = ring_[index].older) {
    const auto& entry = ring_[index];
    if (!same(entry, packet)) {
      continue;
    }
    const auto age_ns = time_ns - entry.time_ns;
    if (age_ns > kLifetimeNs || age_ns < -kLifetimeNs) {
      return false;  // older ones of the same name are no better
    }
    packet.protocol = entry.protocol;
    packet.source_port = entry.source_port;
    packet.destination_port = entry.destination_port;
    return true;
  }
  return false;
}

}  // namespace spanflow
