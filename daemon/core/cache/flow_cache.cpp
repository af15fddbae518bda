// SPDX-License-Identifier: Apache-2.0
#include "cache/flow_cache.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace spanflow {
namespace {

constexpr std::uint32_t kFlowsPerBucket = 6;  // of 10 places: few Flows stand away from home

std::uint32_t bucket_count(std::uint32_t capacity) noexcept { return std::max(capacity / kFlowsPerBucket + 1, 8U); }

}  // namespace

FlowCache::FlowCache(std::uint32_t capacity, const HashSecret& secret, bool preallocate)
    : capacity_(capacity),
      buckets_count_(bucket_count(capacity)),
      secret_(secret),
      buckets_(buckets_count_, preallocate),
      hot_(capacity, preallocate),
      cold_(capacity, preallocate) {}

// Bit i is set when place i has the tag.
inline std::uint32_t FlowCache::matches(const Bucket& bucket, std::uint16_t tag) noexcept {
#if defined(__SSE2__)
  const auto wanted = _mm_set1_epi16(static_cast<std::int16_t>(tag));
  const auto* tags = reinterpret_cast<const __m128i*>(bucket.tags.data());
  const auto first = _mm_cmpeq_epi16(_mm_load_si128(tags), wanted);       // places 0-7
  const auto second = _mm_cmpeq_epi16(_mm_load_si128(tags + 1), wanted);  // 8, 9, and what is no tag
  const auto packed = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(first, second)));
  return packed & ((1U << kPlaces) - 1);
#else
  std::uint32_t found = 0;
  for (std::size_t place = 0; place < kPlaces; ++place) {
    found |= static_cast<std::uint32_t>(bucket.tags[place] == tag) << place;
  }
  return found;
#endif
}

void FlowCache::prefetch_bucket(std::uint64_t hash) const noexcept { __builtin_prefetch(&buckets_[home_of(hash)], 1); }

void FlowCache::prefetch_flow(std::uint64_t hash, std::size_t direction) const noexcept {
  const auto& bucket = buckets_[home_of(hash)];
  const auto found = matches(bucket, tag_of(hash));
  if (found != 0) {
    const auto flow = bucket.flows[static_cast<std::size_t>(std::countr_zero(found))];
    __builtin_prefetch(&hot_[flow], 1);
    __builtin_prefetch(&hot_[flow].directions[direction], 1);
  }
}

void FlowCache::prefetch_all_of(std::uint32_t flow) const noexcept {
  const auto* hot = reinterpret_cast<const std::byte*>(&hot_[flow]);
  __builtin_prefetch(hot, 1);
  __builtin_prefetch(hot + 64, 1);
  __builtin_prefetch(hot + 128, 1);
  const auto* cold = reinterpret_cast<const std::byte*>(&cold_[flow]);
  __builtin_prefetch(cold, 1);
  __builtin_prefetch(cold + sizeof(ColdFlow) - 1, 1);
}

std::uint32_t FlowCache::find(const FlowKey& key, std::uint64_t hash) const noexcept {
  const auto tag = tag_of(hash);
  auto index = home_of(hash);
  const auto away = buckets_[index].away;
  for (std::uint32_t probe = 0; probe < kProbes; ++probe, index = after(index)) {
    const auto& bucket = buckets_[index];
    for (auto found = matches(bucket, tag); found != 0; found &= found - 1) {
      const auto flow = bucket.flows[static_cast<std::size_t>(std::countr_zero(found))];
      if (hot_[flow].has_key(key)) [[likely]] {
        return flow;
      }
    }
    if (away == 0) [[likely]] {
      break;
    }
  }
  return kNone;
}

FlowCache::Room FlowCache::room_for(std::uint64_t hash) const noexcept {
  if (size_ == capacity_) {
    return Room{.available = false, .crowded = false};
  }
  auto index = home_of(hash);
  for (std::uint32_t probe = 0; probe < kProbes; ++probe, index = after(index)) {
    if (matches(buckets_[index], 0) != 0) [[likely]] {
      return Room{.available = true, .crowded = false};
    }
  }
  return Room{.available = false, .crowded = true};
}

std::uint32_t FlowCache::insert(const FlowKey& key, std::uint64_t hash) noexcept {
  std::uint32_t flow = free_;
  if (flow == kNone) {
    flow = fresh_++;
  } else {
    std::memcpy(&free_, &cold_[flow], sizeof free_);
  }
  const auto home = home_of(hash);
  auto index = home;
  std::uint32_t empty = 0;
  while ((empty = matches(buckets_[index], 0)) == 0) {
    index = after(index);
  }
  auto& bucket = buckets_[index];
  const auto place = static_cast<std::size_t>(std::countr_zero(empty));
  bucket.tags[place] = tag_of(hash);
  bucket.flows[place] = flow;
  buckets_[home].away = static_cast<std::uint16_t>(buckets_[home].away + (index != home));
  hot_[flow].set_key(key);
  ++size_;
  return flow;
}

void FlowCache::erase(std::uint32_t flow) noexcept {
  const auto hash = this->hash(hot_[flow].key());
  const auto tag = tag_of(hash);
  const auto home = home_of(hash);
  auto index = home;
  for (std::uint32_t probe = 0; probe < kProbes; ++probe, index = after(index)) {
    auto& bucket = buckets_[index];
    for (auto found = matches(bucket, tag); found != 0; found &= found - 1) {
      const auto place = static_cast<std::size_t>(std::countr_zero(found));
      if (bucket.flows[place] == flow) {
        bucket.tags[place] = 0;
        hot_[flow].release();
        buckets_[home].away = static_cast<std::uint16_t>(buckets_[home].away - (index != home));
        std::memcpy(&cold_[flow], &free_, sizeof free_);
        free_ = flow;
        --size_;
        return;
      }
    }
  }
}

void FlowCache::clear() noexcept {
  buckets_.clear();
  hot_.clear();
  cold_.clear();
  size_ = 0;
  fresh_ = 0;
  free_ = kNone;
}

std::array<std::uint32_t, 10> FlowCache::chain_of(std::uint64_t hash) const noexcept {
  std::array<std::uint32_t, kPlaces> flows{};
  const auto& bucket = buckets_[home_of(hash)];
  for (std::size_t place = 0; place < kPlaces; ++place) {
    flows[place] = bucket.tags[place] == 0 ? kNone : bucket.flows[place];
  }
  return flows;
}

}  // namespace spanflow
