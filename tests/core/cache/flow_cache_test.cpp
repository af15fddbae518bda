// SPDX-License-Identifier: Apache-2.0
#include "cache/flow_cache.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

using namespace spanflow;

namespace {

FlowKey key_of(std::uint32_t number) {
  FlowKey key;
  std::memcpy(key.low.data(), &number, sizeof number);
  key.low_port = static_cast<std::uint16_t>(number * 7);
  key.version = 4;
  return key;
}

}  // namespace

TEST_CASE("the cache agrees with a map through a long random life") {
  constexpr std::uint32_t kCapacity = 300;
  FlowCache cache(kCapacity, HashSecret{{1, 3, 5, 7, 9, 11}}, false);
  std::map<std::uint32_t, std::uint32_t> model;
  std::mt19937 random(1);
  for (int step = 0; step < 200'000; ++step) {
    const auto number = static_cast<std::uint32_t>(random() % 500);
    const auto key = key_of(number);
    const auto hash = cache.hash(key);
    const auto found = cache.find(key, hash);
    const auto known = model.find(number);
    REQUIRE((found == FlowCache::kNone) == (known == model.end()));
    if (found != FlowCache::kNone) {
      REQUIRE(found == known->second);
      if (random() % 2 == 0) {
        cache.erase(found);
        model.erase(known);
      }
    } else if (cache.room_for(hash).available) {
      model[number] = cache.insert(key, hash);
    }
    REQUIRE(cache.size() == model.size());
  }
  std::set<std::uint32_t> seen;
  cache.for_each([&](std::uint32_t flow) { seen.insert(flow); });
  CHECK(seen.size() == model.size());
}

TEST_CASE("a full cache has no room, and says that it is not the chain") {
  FlowCache cache(8, HashSecret{{1, 3, 5, 7, 9, 11}}, false);
  for (std::uint32_t number = 0; number < 8; ++number) {
    const auto key = key_of(number);
    REQUIRE(cache.room_for(cache.hash(key)).available);
    (void)cache.insert(key, cache.hash(key));
  }
  const auto room = cache.room_for(cache.hash(key_of(100)));
  CHECK_FALSE(room.available);
  CHECK_FALSE(room.crowded);
}

TEST_CASE("a million Flows find their place: chains are short at the load we choose") {
  constexpr std::uint32_t kCapacity = 1'000'000;
  FlowCache cache(kCapacity, HashSecret{{0x9e37, 0x1234567, 5, 0xabcdef01, 9, 11}}, false);
  for (std::uint32_t number = 0; number < kCapacity; ++number) {
    const auto key = key_of(number);
    REQUIRE(cache.room_for(cache.hash(key)).available);
    (void)cache.insert(key, cache.hash(key));
  }
  CHECK(cache.size() == kCapacity);
}

TEST_CASE("hash flooding: equal hashes fill their chain and no more") {
  FlowCache cache(100'000, HashSecret{}, false);
  const std::uint64_t hash = 0x1234'5678'0000'0001;
  int placed = 0;
  for (std::uint32_t number = 0; cache.room_for(hash).available; ++number) {
    (void)cache.insert(key_of(number), hash);
    ++placed;
  }
  CHECK(placed == 80);
  CHECK(cache.room_for(hash).crowded);
  CHECK(cache.find(key_of(79), hash) != FlowCache::kNone);
  for (const auto flow : cache.chain_of(hash)) {
    CHECK(flow != FlowCache::kNone);
  }
}

TEST_CASE("the Flow Key is direction-free, flowId is fixed for ever") {
  FlowKey key = key_of(1);
  FlowKey other = key;
  CHECK(key == other);
  other.interface = 1;
  CHECK_FALSE(key == other);
  // Stored collectors' data refer to these: a change of the hash is a breaking change.
  CHECK(flow_id(key, 1'700'000'000'000'000'000) == flow_id(key_of(1), 1'700'000'000'000'000'000));
  CHECK(flow_id(key, 1) != flow_id(key, 2));
}
