// SPDX-License-Identifier: Apache-2.0
#include "decode/fragments.hpp"

#include <algorithm>

namespace spanflow {

FragmentTable::FragmentTable(std::uint32_t entries, bool vlan_in_key, const HashSecret& secret)
    : vlan_in_key_(vlan_in_key), secret_(secret), entries_(std::max(entries, 1U)), buckets_(entries_.size(), kNone) {}

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
         entry.ip_version == packet.version && (!vlan_in_key_ || entry.vlan == packet.link.vlan_id);
}

std::uint32_t FragmentTable::find(const Packet& packet) const noexcept {
  auto index = buckets_[bucket_of(packet)];
  while (index != kNone && !same(entries_[index], packet)) {
    index = entries_[index].next;
  }
  return index;
}

void FragmentTable::unlink_age(std::uint32_t index) noexcept {
  const auto& entry = entries_[index];
  (entry.older == kNone ? oldest_ : entries_[entry.older].newer) = entry.newer;
  (entry.newer == kNone ? newest_ : entries_[entry.newer].older) = entry.older;
}

void FragmentTable::append_newest(std::uint32_t index) noexcept {
  entries_[index].older = newest_;
  entries_[index].newer = kNone;
  (newest_ == kNone ? oldest_ : entries_[newest_].newer) = index;
  newest_ = index;
}

std::uint32_t FragmentTable::take_oldest() noexcept {
  const auto index = oldest_;
  unlink_age(index);
  // Names differ within a bucket, and the hash is keyed: the chain is short.
  auto* link = &buckets_[entries_[index].chain];
  while (*link != index) {
    link = &entries_[*link].next;
  }
  *link = entries_[index].next;
  return index;
}

void FragmentTable::remember(const Packet& packet, std::int64_t time_ns) noexcept {
  auto index = find(packet);
  if (index != kNone) {
    unlink_age(index);
  } else {
    index = used_ < entries_.size() ? used_++ : take_oldest();
    auto& entry = entries_[index];
    entry.source = packet.source;
    entry.destination = packet.destination;
    entry.identification = packet.identification;
    entry.vlan = packet.link.vlan_id;
    entry.fragment_protocol = packet.fragment_protocol;
    entry.ip_version = packet.version;
    entry.chain = bucket_of(packet);
    entry.next = buckets_[entry.chain];
    buckets_[entry.chain] = index;
  }
  auto& entry = entries_[index];
  entry.protocol = packet.protocol;
  entry.source_port = packet.source_port;
  entry.destination_port = packet.destination_port;
  entry.time_ns = time_ns;
  append_newest(index);
}

bool FragmentTable::complete(Packet& packet, std::int64_t time_ns) const noexcept {
  const auto index = find(packet);
  if (index == kNone) {
    return false;
  }
  const auto& entry = entries_[index];
  const auto age_ns = time_ns - entry.time_ns;
  if (age_ns > kLifetimeNs || age_ns < -kLifetimeNs) {
    return false;
  }
  packet.protocol = entry.protocol;
  packet.source_port = entry.source_port;
  packet.destination_port = entry.destination_port;
  return true;
}

}  // namespace spanflow
