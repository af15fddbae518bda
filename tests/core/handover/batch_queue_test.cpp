// SPDX-License-Identifier: Apache-2.0
#include "handover/batch_queue.hpp"

#include <doctest/doctest.h>

#include <thread>

using namespace spanflow;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<Batch> batch_of(BatchPool& pool, std::size_t records) {
  auto batch = pool.take(4, records);
  for (std::size_t index = 0; index < records; ++index) {
    batch->append(FlowCount{.records = 1, .packets = 2, .octets = 3}).worker = 9;
  }
  return batch;
}

constexpr auto kDrop = BatchQueue::WhenFull::drop;
constexpr auto kWait = BatchQueue::WhenFull::wait;

}  // namespace

TEST_CASE("a full queue drops live") {
  const auto pool = std::make_shared<BatchPool>();
  BatchQueue queue(40 * sizeof(FlowRecord), 1);
  CHECK(queue.push(batch_of(*pool, 32), kDrop));
  CHECK_FALSE(queue.push(batch_of(*pool, 32), kDrop));
  CHECK(queue.pop(0ms) != nullptr);
  CHECK(queue.push(batch_of(*pool, 32), kDrop));
}

TEST_CASE("a full queue waits offline, and closing it lets go") {
  const auto pool = std::make_shared<BatchPool>();
  BatchQueue queue(1, 1);
  CHECK(queue.push(batch_of(*pool, 1), kWait));  // larger than the bound, alone
  bool pushed = true;
  std::thread producer([&] { pushed = queue.push(batch_of(*pool, 1), kWait); });
  queue.close();
  producer.join();
  CHECK_FALSE(pushed);
}

TEST_CASE("exhausted when all producers have finished and all is popped") {
  const auto pool = std::make_shared<BatchPool>();
  BatchQueue queue(1 << 20, 2);
  CHECK(queue.push(batch_of(*pool, 1), kWait));
  queue.producer_finished();
  CHECK_FALSE(queue.exhausted());
  queue.producer_finished();
  CHECK_FALSE(queue.exhausted());
  CHECK(queue.pop(0ms)->size() == 1);
  CHECK(queue.pop(1h) == nullptr);
  CHECK(queue.exhausted());
}

TEST_CASE("a partial batch fits into a smaller class with all it holds; the pool outlives itself") {
  auto pool = std::make_shared<BatchPool>();
  auto batch = batch_of(*pool, BatchPool::kLargest);
  CHECK(batch->full());
  const auto partial = batch_of(*pool, 5);
  const auto fitted = partial->fitted();
  CHECK(fitted->octets() == BatchPool::kClasses[0] * sizeof(FlowRecord));
  CHECK(fitted->size() == 5);
  CHECK(fitted->records()[4].worker == 9);
  CHECK(fitted->content().octets == 15);

  const auto with_packets = pool->take(4, 100, 3);
  for (std::uint32_t record = 0; record < 40; ++record) {
    (void)with_packets->append(FlowCount{});
    const auto packets = with_packets->latest_first_packets();
    REQUIRE(packets.size() == 3);
    packets[2].octets = record;
  }
  const auto packets_fitted = with_packets->fitted();
  CHECK(packets_fitted->octets() == BatchPool::kClasses[1] * (sizeof(FlowRecord) + 3 * sizeof(FirstPacket)));
  REQUIRE(packets_fitted->first_packets().size() == 120);
  CHECK(packets_fitted->first_packets()[39 * 3 + 2].octets == 39);
  CHECK(fitted->first_packets().empty());

  pool.reset();
  CHECK(batch->records()[0].worker == 9);
}
