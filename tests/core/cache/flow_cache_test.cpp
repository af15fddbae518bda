// SPDX-License-Identifier: Apache-2.0
#include "cache/flow_cache.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

using namespace spanflow;

namespace {

FlowKey key_of(std::uint32_t number) {
  return FlowKey{.low = Address::mapped(number),
                 .high = Address::mapped(1),
                 .ports_and_more = FlowKey::pack(static_cast<std::uint16_t>(number * 7), 80, 6, 4, 0)};
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
  FlowCache cache(kCapacity,
                  HashSecret{{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0xd6e8feb86659fd93,
                              0xa0761d6478bd642f, 0xe7037ed1a0b428db}},
                  false);
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
  CHECK(placed == 160);
  CHECK(cache.room_for(hash).crowded);
  CHECK(cache.find(key_of(159), hash) != FlowCache::kNone);
  for (const auto flow : cache.chain_of(hash)) {
    CHECK(flow != FlowCache::kNone);
  }
}

TEST_CASE("a key knows its parts, and each of them counts") {
  const FlowKey key{
      .low = Address::mapped(1), .high = Address::mapped(2), .ports_and_more = FlowKey::pack(3, 4, 5, 6, 7)};
  CHECK(key.low_port() == 3);
  CHECK(key.high_port() == 4);
  CHECK(key.protocol() == 5);
  CHECK(key.version() == 6);
  HotFlow flow{};
  flow.set_key(key);
  CHECK(flow.has_key(key));
  for (int part = 0; part < 4; ++part) {
    auto other = key;
    (part == 0   ? other.low.words[1]
     : part == 1 ? other.high.words[0]
                 : other.ports_and_more) ^= part < 3 ? 1 : 1ULL << 48;
    CHECK_FALSE(flow.has_key(other));
  }
  auto other = key;
  other.interface = 1;
  CHECK_FALSE(flow.has_key(other));
}

TEST_CASE("flowId is fixed for ever: what collectors stored refers to it") {
  CHECK(flow_id(key_of(1), 1'700'000'000'000'000'000) == 7'457'826'925'003'348'467ULL);
  CHECK(flow_id(key_of(1), 1'700'000'000'000'000'001) != 7'457'826'925'003'348'467ULL);
}
