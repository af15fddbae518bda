// SPDX-License-Identifier: Apache-2.0
#include "metering_process.hpp"

#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "octets.hpp"

using namespace spanflow;
using namespace std::chrono_literals;
using spanflow::test::hex;
using spanflow::test::Octets;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// One UDP packet of 28 octets from 10.0.0.<host>:1000 to 10.0.0.250:53.
Octets udp(std::uint32_t host) {
  auto octets = hex("4500001c 00000000 40110000 0a000000 0a0000fa 03e8 0035 0008 0000");
  octets[13] = static_cast<std::byte>(host >> 16);
  octets[14] = static_cast<std::byte>(host >> 8);
  octets[15] = static_cast<std::byte>(host);
  return octets;
}

struct Probe {
  std::shared_ptr<BatchPool> pool = std::make_shared<BatchPool>();
  BatchQueue queue{1 << 25, 1};
  MeteringProcess process;
  std::vector<FlowRecord> records;
  std::vector<FirstPacket> first_packets;

  explicit Probe(const MeteringOptions& options) : process(options, pool, queue, BatchQueue::WhenFull::drop) {}

  void packet(const Octets& octets, std::int64_t time_ns) {
    const Frame frame{.data = octets.data(),
                      .captured_octets = static_cast<std::uint32_t>(octets.size()),
                      .wire_octets = static_cast<std::uint32_t>(octets.size()),
                      .time_ns = time_ns,
                      .clock_ns = time_ns,
                      .link_type = 101};
    process.process(std::span(&frame, 1));
  }
  Counters finish(std::int64_t clock_ns) {
    process.finish(clock_ns);
    while (const auto batch = queue.pop(0ms)) {
      records.insert(records.end(), batch->records().begin(), batch->records().end());
      first_packets.insert(first_packets.end(), batch->first_packets().begin(), batch->first_packets().end());
    }
    return process.counters();
  }
};

MeteringOptions options(std::uint32_t max_flows) {
  MeteringOptions result;
  result.max_flows = max_flows;
  result.secret = HashSecret{{1, 3, 5, 7, 9, 11}};
  return result;
}

}  // namespace

TEST_CASE("a full cache evicts the Flow that would expire next, reason 5, and nothing else changes") {
  Probe probe(options(100));
  for (std::uint32_t host = 0; host < 100; ++host) {
    probe.packet(udp(host), host * (kSecond / 10));
  }
  probe.packet(udp(0), 10 * kSecond);    // the oldest is in use again, 1 is next
  probe.packet(udp(200), 10 * kSecond);  // one too many
  CHECK(probe.process.audit().records == 100);
  const auto counters = probe.finish(10 * kSecond);
  CHECK(counters.ended[static_cast<std::size_t>(EndDetail::evicted)] == 1);
  CHECK(counters.ended[static_cast<std::size_t>(EndDetail::flush)] == 100);
  REQUIRE(probe.records.size() == 101);
  CHECK(probe.records[0].flow_end_reason == FlowEndReason::lack_of_resources);
  CHECK((probe.records[0].source_address.words[1] >> 56) <= 3);  // of the slot of the first 0.27 s
  CHECK((probe.records[0].source_address.words[1] >> 56) != 0);
}

TEST_CASE("a lowered capacity is reached two Flows for a new one, those that would expire next, and can be raised") {
  Probe probe(options(100));
  const auto flows = [&] { return probe.process.audit().records; };
  std::uint32_t host = 0;
  const auto packet = [&] {
    probe.packet(udp(host), host * (kSecond / 3));
    ++host;
  };
  while (host < 100) {
    packet();
  }
  probe.process.set_capacity(10);
  probe.packet(udp(99), 34 * kSecond);  // no new Flow
  CHECK(flows() == 100);
  for (std::uint64_t expected = 99; expected >= 10; --expected) {
    packet();
    REQUIRE(flows() == expected);
  }
  packet();
  CHECK(flows() == 10);
  probe.process.set_capacity(100);
  for (std::uint64_t expected = 11; expected <= 100; ++expected) {
    packet();
    REQUIRE(flows() == expected);
  }
  packet();
  CHECK(flows() == 100);
  const auto counters = probe.finish(200 * kSecond);
  CHECK(counters.accounted.packets == counters.handed_over.packets);
  CHECK(counters.ended[static_cast<std::size_t>(EndDetail::evicted)] == 2 * 90 + 1 + 1);
  for (std::size_t index = 0; index < 99; ++index) {
    REQUIRE(probe.records[index].end_detail == EndDetail::evicted);
    REQUIRE(probe.records[index].source_address == Address::mapped(0x0a + (static_cast<std::uint32_t>(index) << 24)));
  }
}

TEST_CASE("a capacity of one holds from the first Flow on") {
  Probe probe(options(50));
  probe.process.set_capacity(1);
  for (std::uint32_t host = 0; host < 200; ++host) {
    probe.packet(udp(host), host);
    REQUIRE(probe.process.audit().records == 1);
  }
  CHECK(probe.finish(200).handed_over.records == 200);
}

TEST_CASE("first packets: with each record anew, gaps within the record alone") {
  auto keeping = options(10);
  keeping.first_packets = 3;
  keeping.timeouts.active_ns = kSecond;
  Probe probe(keeping);
  const auto octets = udp(1);
  for (const auto time_ms : {0, 300, 900}) {
    probe.packet(octets, time_ms * (kSecond / 1000));
  }
  probe.process.expire(2 * kSecond);                 // the record leaves, the Flow stays
  for (const auto time_ms : {500, 700, 600, 800}) {  // behind the latest time of the Flow
    probe.packet(octets, time_ms * (kSecond / 1000));
  }
  probe.packet(udp(2), kSecond);
  probe.finish(2 * kSecond);
  REQUIRE(probe.records.size() == 3);
  REQUIRE(probe.first_packets.size() == 9);
  constexpr std::array<std::int64_t, 9> kGapsMs = {0, 300, 600, 0, 200, 0, 0, 0, 0};
  for (std::size_t index = 0; index < 9; ++index) {
    CAPTURE(index);
    const auto& packet = probe.first_packets[index];
    CHECK(packet.gap_ns == kGapsMs[index] * (kSecond / 1000));
    CHECK(packet.direction == (index < 7 ? 0 : -1));
    CHECK(packet.octets == (index < 7 ? 28 : 0));
  }
}

TEST_CASE("eviction under a flood stays cheap and exact") {
  Probe probe(options(1000));
  for (std::uint32_t host = 0; host < 50'000; ++host) {
    probe.packet(udp(host), host * (kSecond / 1000));
    probe.process.expire(host * (kSecond / 1000) - 10 * kSecond);
  }
  const auto counters = probe.finish(50 * kSecond);
  CHECK(counters.accounted.packets == 50'000);
  CHECK(counters.handed_over.records == 50'000);
  CHECK(counters.ended[static_cast<std::size_t>(EndDetail::evicted)] == 49'000);
}

TEST_CASE("the counters of the cache are what is in it, at every moment") {
  Probe probe(options(50));
  for (std::uint32_t step = 0; step < 3000; ++step) {
    const auto time_ns = step * (kSecond / 4);
    probe.packet(udp(step * 7 % 90), time_ns);
    probe.process.expire(time_ns - 10 * kSecond);
    probe.process.publish_counters();
    const auto counters = probe.process.counters();
    const auto audit = probe.process.audit();
    REQUIRE(counters.cached.records == audit.records);
    REQUIRE(counters.cached.packets == audit.packets);
    REQUIRE(counters.cached.octets == audit.octets);
    REQUIRE(counters.accounted.packets == counters.cached.packets + counters.in_batch.packets +
                                              counters.handed_over.packets + counters.dropped_at_handover.packets);
  }
}

TEST_CASE("without traffic the clock alone sends what is due") {
  Probe probe(options(10));
  probe.packet(udp(1), 100 * kSecond);
  probe.process.expire(115 * kSecond);
  CHECK(probe.process.audit().records == 1);
  probe.process.expire(116 * kSecond);
  CHECK(probe.process.audit().records == 0);
  probe.finish(116 * kSecond);
  REQUIRE(probe.records.size() == 1);
  CHECK(probe.records[0].end_detail == EndDetail::idle);
}

TEST_CASE("what was dropped at a full hand-over is counted") {
  auto pool = std::make_shared<BatchPool>();
  BatchQueue queue(1, 1);
  REQUIRE(queue.push(pool->take(4, 1), BatchQueue::WhenFull::drop));
  MeteringProcess process(options(10), pool, queue, BatchQueue::WhenFull::drop);
  const auto octets = udp(1);
  const Frame frame{.data = octets.data(), .captured_octets = 28, .wire_octets = 28, .link_type = 101};
  process.process(std::span(&frame, 1));
  process.finish(0);
  CHECK(process.counters().dropped_at_handover.records == 1);
  CHECK(process.counters().dropped_at_handover.octets == 28);
  CHECK(process.counters().handed_over.records == 0);
}

TEST_CASE("a filter, and what it rejects") {
  auto filtered = options(10);
  filtered.filter = "src host 10.0.0.1";
  Probe probe(filtered);
  probe.packet(udp(1), 0);
  probe.packet(udp(2), 0);
  const auto counters = probe.finish(0);
  CHECK(counters.accounted.packets == 1);
  CHECK(counters.discarded[static_cast<std::size_t>(Discard::filtered)].packets == 1);

  filtered.filter = "nonsense";
  Probe wrong(filtered);
  wrong.packet(udp(1), 0);
  CHECK_FALSE(wrong.process.filter_error().empty());
}

TEST_CASE("with all timeouts off and times far ahead a full cache still finds whom to evict") {
  auto endless = options(4);
  endless.timeouts =
      Timeouts{.active_ns = kNever, .inactive_ns = kNever, .tcp_linger_ns = 0, .tcp_fin_timeout_ns = kNever};
  Probe probe(endless);
  for (std::uint32_t host = 0; host < 8; ++host) {
    probe.packet(udp(host), 4'000'000'000 * kSecond);
  }
  const auto counters = probe.finish(4'000'000'000 * kSecond);
  CHECK(counters.ended[static_cast<std::size_t>(EndDetail::evicted)] == 4);
  CHECK(counters.handed_over.packets == 8);
}

namespace {

MeteringOptions live(std::uint32_t max_flows) {
  auto result = options(max_flows);
  result.live = true;
  result.reorder_window_ns = kSecond / 10;
  return result;
}

}  // namespace

TEST_CASE("a step of the wall clock neither expires everything nor freezes expiry") {
  constexpr std::int64_t kDay = 86'400 * kSecond;
  constexpr std::int64_t kStart = 1'000 * kDay;
  for (const auto step : {kDay, -kDay, 30 * kDay, -kSecond / 2}) {
    CAPTURE(step);
    Probe probe(live(100));
    for (std::uint32_t host = 0; host < 10; ++host) {
      probe.packet(udp(host), kStart + host * kSecond);
    }
    probe.process.expire(kStart + 9 * kSecond);
    probe.process.step_clock(step);
    probe.process.expire(kStart + step + 9 * kSecond);
    CHECK(probe.process.audit().records == 10);
    probe.packet(udp(50), kStart + step + 10 * kSecond);
    // Each leaves when it would have, as the clock goes on: deadlines were 15 s to 24 s after the start.
    for (std::int64_t second = 10; second < 30; ++second) {
      probe.process.expire(kStart + step + second * kSecond);
      const auto left = probe.process.audit().records;
      const auto expected = second < 16 ? 10 : second < 25 ? 25 - second : 0;
      CAPTURE(second);
      CHECK(left >= static_cast<std::uint64_t>(expected) + (second <= 25 ? 1 : 0));
      CHECK(left <= static_cast<std::uint64_t>(expected) + 3);
    }
    CHECK(probe.process.audit().records == 0);
    const auto counters = probe.finish(kStart + step + 40 * kSecond);
    CHECK(counters.clock_steps == 1);
    CHECK(counters.ended[static_cast<std::size_t>(EndDetail::idle)] == 11);
    for (const auto& record : probe.records) {  // no stamp was moved
      const auto since_start = record.forward.first_ns - kStart;
      const auto before_the_step = since_start >= 0 && since_start < 10 * kSecond && since_start % kSecond == 0;
      CHECK((before_the_step || since_start == step + 10 * kSecond));
    }
  }
}

TEST_CASE("how late the timers are is counted") {
  Probe probe(live(10));
  probe.packet(udp(1), 100 * kSecond);
  probe.process.expire(115 * kSecond + kSecond / 2);  // 0.6 s after the deadline, as the wall clock sees it
  probe.process.hand_over();
  const auto counters = probe.process.counters();
  CHECK(counters.expiry_lag[3] == 1);
  CHECK(counters.expiry_lag_sum_ns == 600'000'000);
}
