// SPDX-License-Identifier: Apache-2.0
// Where Flows are kept: an index of cache-line buckets over a slab of fixed records.
#pragma once

#include <array>
#include <cstdint>

#include "cache/flow_key.hpp"
#include "cache/flow_record.hpp"
#include "memory_region.hpp"

namespace spanflow {

// Owner: one metering worker. Bounded at construction; all operations are O(1): a probe looks at kProbes buckets at
// most.
class FlowCache {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  // 192 + 88 octets of Flow, 8 of wheel link, 64 / 6 of index.
  static constexpr double kOctetsPerFlow = sizeof(HotFlow) + sizeof(ColdFlow) + 8 + 64.0 / 6.0;

  FlowCache(std::uint32_t capacity, const HashSecret& secret, bool preallocate);

  [[nodiscard]] std::uint64_t hash(const FlowKey& key) const noexcept { return hash_key(key, secret_); }

  // In two steps, some packets apart, so that the memory has come when it is needed.
  void prefetch_bucket(std::uint64_t hash) const noexcept;
  void prefetch_flow(std::uint64_t hash, std::size_t direction) const noexcept;
  void prefetch_all_of(std::uint32_t flow) const noexcept;

  [[nodiscard]] std::uint32_t find(const FlowKey& key, std::uint64_t hash) const noexcept;

  // Is there room for one more Flow of this hash? If not, `crowded` says that its chain is full, not the cache.
  struct Room {
    bool available;
    bool crowded;
  };
  [[nodiscard]] Room room_for(std::uint64_t hash) const noexcept;

  // A new Flow with this key; its other members are what was left there. Needs room.
  [[nodiscard]] std::uint32_t insert(const FlowKey& key, std::uint64_t hash) noexcept;
  void erase(std::uint32_t flow) noexcept;

  // The Flows of the buckets at which a key of this hash may stand.
  [[nodiscard]] std::array<std::uint32_t, 10> chain_of(std::uint64_t hash) const noexcept;

  [[nodiscard]] HotFlow& hot(std::uint32_t flow) noexcept { return hot_[flow]; }
  [[nodiscard]] const HotFlow& hot(std::uint32_t flow) const noexcept { return hot_[flow]; }
  [[nodiscard]] ColdFlow& cold(std::uint32_t flow) noexcept { return cold_[flow]; }
  [[nodiscard]] const ColdFlow& cold(std::uint32_t flow) const noexcept { return cold_[flow]; }

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

  // Calls visit(flow) for every Flow, in the order of memory; visit must not insert or erase.
  template <typename Visitor>
  void for_each(Visitor&& visit) const {
    for (std::uint32_t flow = 0; flow < fresh_; ++flow) {
      if (hot_[flow].in_use()) {
        visit(flow);
      }
    }
  }

  // Forgets every Flow, and gives the memory back.
  void clear() noexcept;

 private:
  static constexpr std::size_t kPlaces = 10;
  static constexpr std::uint32_t kProbes = 16;  // at the load we choose, one chain in 10^10 is longer

  // One line answers most probes. `away` counts the Flows whose home is here and that stand in a later bucket: a search
  // stops when it is 0, so removal leaves no tombstone.
  struct alignas(64) Bucket {
    std::array<std::uint16_t, kPlaces> tags;  // 0: empty
    std::uint16_t away;
    std::uint16_t unused;
    std::array<std::uint32_t, kPlaces> flows;
  };
  static_assert(sizeof(Bucket) == 64);

  static std::uint16_t tag_of(std::uint64_t hash) noexcept {
    const auto tag = static_cast<std::uint16_t>(hash >> 48);
    return tag == 0 ? std::uint16_t{1} : tag;
  }
  [[nodiscard]] std::uint32_t home_of(std::uint64_t hash) const noexcept {
    return static_cast<std::uint32_t>((hash & 0xffffffff) * buckets_count_ >> 32);
  }
  [[nodiscard]] std::uint32_t after(std::uint32_t bucket) const noexcept {
    return bucket + 1 == buckets_count_ ? 0 : bucket + 1;
  }
  static std::uint32_t matches(const Bucket& bucket, std::uint16_t tag) noexcept;

  std::uint32_t capacity_;
  std::uint32_t buckets_count_;
  HashSecret secret_;
  Region<Bucket> buckets_;
  Region<HotFlow> hot_;
  Region<ColdFlow> cold_;
  std::uint32_t size_ = 0;
  std::uint32_t fresh_ = 0;     // Flows from here on were never used
  std::uint32_t free_ = kNone;  // a stack, linked through the first octets of the cold part: what was last used is warm
};

}  // namespace spanflow
