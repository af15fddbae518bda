// SPDX-License-Identifier: Apache-2.0
// The cache against a map, through long lives at random in which chains collide, overflow and wrap around.
#include <doctest/doctest.h>

#include <cstdint>
#include <iterator>
#include <map>
#include <random>

#include "cache/flow_cache.hpp"

using namespace spanflow;

namespace {

constexpr HashSecret kSecret{{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0xd6e8feb86659fd93,
                              0xa0761d6478bd642f, 0xe7037ed1a0b428db}};

// Keys of hardly any hashes. With low addresses that cancel the first factor of the hash (low.words[0] = the secret's),
// and high ones that cancel the third, the addresses add nothing: the hash is that of ports_and_more alone.
FlowKey key_of(std::uint32_t number, std::uint32_t hashes, std::uint32_t first_port) {
  return FlowKey{
      .low = {{kSecret.words[0], number}},
      .high = {{kSecret.words[2], std::uint64_t{number} << 32}},
      .ports_and_more = FlowKey::pack(static_cast<std::uint16_t>(first_port + number % hashes), 80, 6, 4, 0)};
}

struct Life {
  std::uint32_t capacity;
  std::uint32_t keys;
  std::uint32_t hashes;
  std::uint32_t seed;
};

// A cache and what it should hold: the Flow of each key, by the number of the key.
class Model {
 public:
  explicit Model(const Life& life) : life_(life), cache_(life.capacity, kSecret, false), random_(life.seed) {}

  void step() {
    const auto number = static_cast<std::uint32_t>(random_() % life_.keys);
    const auto choice = random_() % 1000;
    if (choice == 0) {
      cache_.clear();
      by_number_.clear();
      by_flow_.clear();
      ++clears;
    } else if (choice < 300) {
      erase(number);
    } else {
      open(number);
    }
    check(number);
  }

  // Of all keys.
  void check_everything() const {
    for (std::uint32_t number = 0; number < life_.keys; ++number) {
      check(number);
    }
  }

  int opened = 0;
  int clears = 0;
  int found_full = 0;
  int found_crowded = 0;

 private:
  [[nodiscard]] FlowKey key(std::uint32_t number) const { return key_of(number, life_.hashes, life_.seed * 1000); }
  [[nodiscard]] std::uint64_t hash(std::uint32_t number) const { return cache_.hash(key(number)); }

  void erase(std::uint32_t number) {
    if (const auto known = by_number_.find(number); known != by_number_.end()) {
      forget(number, known->second);
    }
  }

  // As a worker does: what is in the way leaves.
  void open(std::uint32_t number) {
    if (by_number_.contains(number)) {
      return;
    }
    for (int evictions = 0;; ++evictions) {
      REQUIRE(evictions < 3);
      const auto room = cache_.room_for(hash(number));
      REQUIRE(room.crowded <= !room.available);
      if (room.available) {
        break;
      }
      REQUIRE(room.crowded == (cache_.size() < life_.capacity));
      room.crowded ? evict_from_chain(number) : evict_any();
    }
    const auto flow = cache_.insert(key(number), hash(number));
    REQUIRE(flow < life_.capacity);
    cache_.cold(flow).flow_first_ns = number;  // the rest of a Flow is its owner's, and stays as it is
    by_number_[number] = flow;
    REQUIRE(by_flow_.emplace(flow, number).second);
    ++opened;
  }

  void evict_any() {
    ++found_full;
    const auto victim = std::next(by_number_.begin(), static_cast<std::ptrdiff_t>(random_() % by_number_.size()));
    forget(victim->first, victim->second);
  }

  void evict_from_chain(std::uint32_t number) {
    ++found_crowded;
    const auto chain = cache_.chain_of(hash(number));
    const auto victim = chain[random_() % chain.size()];
    REQUIRE(victim != FlowCache::kNone);
    REQUIRE(by_flow_.contains(victim));
    forget(by_flow_[victim], victim);
  }

  // What must hold at every moment; of the keys, this one.
  void check(std::uint32_t number) const {
    REQUIRE(cache_.size() == by_number_.size());
    REQUIRE(cache_.size() <= cache_.capacity());
    const auto known = by_number_.find(number);
    const auto expected = known == by_number_.end() ? FlowCache::kNone : known->second;
    REQUIRE(cache_.find(key(number), hash(number)) == expected);
    const auto absent = life_.keys + number;  // of the same hash, and never opened
    REQUIRE(cache_.find(key(absent), hash(number)) == FlowCache::kNone);
    const auto room = cache_.room_for(hash(number));
    REQUIRE(room.available != (cache_.size() == cache_.capacity() || room.crowded));

    auto next = by_flow_.begin();  // in the order of memory
    bool as_known = true;
    cache_.for_each([&](std::uint32_t flow) {
      as_known = as_known && next != by_flow_.end() && next->first == flow && cache_.hot(flow).in_use() &&
                 cache_.cold(flow).flow_first_ns == next->second;
      ++next;
    });
    REQUIRE(as_known);
    REQUIRE(next == by_flow_.end());
  }

  void forget(std::uint32_t number, std::uint32_t flow) {
    cache_.erase(flow);
    REQUIRE(by_number_.erase(number) == 1);
    REQUIRE(by_flow_.erase(flow) == 1);
  }

  Life life_;
  FlowCache cache_;
  std::map<std::uint32_t, std::uint32_t> by_number_;  // Flow of each key
  std::map<std::uint32_t, std::uint32_t> by_flow_;    // key of each Flow
  std::mt19937 random_;
};

}  // namespace

TEST_CASE("keys can be steered: their hashes are as few as wanted") {
  const FlowCache cache(10, kSecret, false);
  for (std::uint32_t number = 0; number < 100; ++number) {
    CHECK(cache.hash(key_of(number, 4, 7)) == cache.hash(key_of(number % 4, 4, 7)));
  }
}

TEST_CASE("a cache agrees with a map while chains collide") {
  for (const auto& life : {Life{.capacity = 40, .keys = 64, .hashes = 5, .seed = 1},   // fills up; all buckets full
                           Life{.capacity = 60, .keys = 90, .hashes = 1, .seed = 2},   // one chain for all
                           Life{.capacity = 60, .keys = 90, .hashes = 90, .seed = 3},  // hardly two alike
                           Life{.capacity = 1, .keys = 5, .hashes = 2, .seed = 4}}) {
    CAPTURE(life.seed);
    Model model(life);
    for (int step = 0; step < 12'000; ++step) {
      model.step();
    }
    model.check_everything();
    CHECK(model.opened > 1000);
    CHECK(model.clears > 0);
    CHECK(model.found_full > 100);
    CHECK(model.found_crowded == 0);  // 8 buckets and more for so few: every chain has room
  }
}

TEST_CASE("a cache agrees with a map while chains overflow") {
  // A chain is 16 buckets of 10 places, at any part of the cache, which has more and is hardly ever full.
  for (const auto& life : {Life{.capacity = 170, .keys = 300, .hashes = 1, .seed = 5},
                           Life{.capacity = 170, .keys = 300, .hashes = 1, .seed = 6},
                           Life{.capacity = 170, .keys = 300, .hashes = 1, .seed = 7},
                           Life{.capacity = 400, .keys = 500, .hashes = 2, .seed = 8},
                           Life{.capacity = 400, .keys = 500, .hashes = 2, .seed = 9}}) {
    CAPTURE(life.seed);
    Model model(life);
    for (int step = 0; step < 12'000; ++step) {
      model.step();
    }
    model.check_everything();
    CHECK(model.found_crowded > 100);
  }
}
