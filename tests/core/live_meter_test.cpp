// SPDX-License-Identifier: Apache-2.0
#include "live_meter.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "octets.hpp"

using namespace spanflow;
using namespace std::chrono_literals;
using spanflow::test::hex;

namespace {

// A source without a kernel: gives `frames` packets of as many Flows, then nothing. Its interface can go away.
class ScriptedSource final : public LiveSource {
 public:
  explicit ScriptedSource(std::uint32_t frames) : left_(frames) {
    state_.interface_index = 7;
    state_.bound = true;
    octets_.assign(32, hex("4500001c 00000000 40110000 0a000000 0a0000fa 03e8 0035 0008 0000"));
  }

  std::size_t next(std::span<Frame> frames) override {
    std::size_t count = 0;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto time_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
    for (; count < frames.size() && left_ > 0; ++count, --left_) {
      auto& octets = octets_[count];
      octets[13] = static_cast<std::byte>(left_ >> 16);
      octets[14] = static_cast<std::byte>(left_ >> 8);
      octets[15] = static_cast<std::byte>(left_);
      frames[count] = Frame{.data = octets.data(),
                            .captured_octets = 28,
                            .wire_octets = 28,
                            .time_ns = time_ns,
                            .clock_ns = time_ns,
                            .link_type = 101};
    }
    state_.counts.kernel_received += count;
    return count;
  }
  void wait(int, std::chrono::milliseconds) override { std::this_thread::yield(); }
  void look_after() override {}
  void read_counts() override {}
  bool departed() const noexcept override { return goes_away && left_ == 0 && state_.interface_index == 7; }
  void forget_interface() override { state_.interface_index = 8; }
  void close_gate() noexcept override { gate_closed = true; }
  std::chrono::milliseconds settling_time() const noexcept override { return 1ms; }
  std::uint16_t link_type() const noexcept override { return 101; }
  const CaptureState& state() const noexcept override { return state_; }
  std::uint32_t first_interface() const noexcept override { return state_.interface_index; }

  bool goes_away = false;
  std::atomic<bool> gate_closed = false;

 private:
  std::uint32_t left_;
  std::vector<test::Octets> octets_;
  CaptureState state_;
};

LiveMeterOptions options() {
  LiveMeterOptions result;
  result.metering.max_flows = 100'000;
  result.metering.secret = HashSecret{{1, 3, 5, 7, 9, 11}};
  return result;
}

std::vector<LiveInterface> interfaces(std::unique_ptr<LiveSource> source) {
  LiveInterface::Sources sources;
  sources.push_back(std::move(source));
  std::vector<LiveInterface> all;
  all.emplace_back("test", "", std::move(sources));
  return all;
}

std::uint64_t records_until_the_end(LiveMeter& meter) {
  std::uint64_t records = 0;
  while (!meter.finished()) {
    if (const auto batch = meter.pop(10ms)) {
      records += batch->size();
    }
  }
  return records;
}

void wait_until(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (!holds()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::yield();
  }
}

}  // namespace

TEST_CASE("stop closes the gate and sends what is cached") {
  auto source = std::make_unique<ScriptedSource>(5000);
  const auto& gate_closed = source->gate_closed;
  LiveMeter meter(options(), interfaces(std::move(source)));
  meter.start();
  wait_until([&] { return meter.states()[0].counters.received.packets == 5000; });
  CHECK_FALSE(gate_closed);
  meter.stop();
  CHECK(records_until_the_end(meter) == 5000);
  CHECK(gate_closed);
  const auto counters = meter.counters()[0];
  CHECK(counters.ended[static_cast<std::size_t>(EndDetail::flush)] == 5000);
  CHECK(counters.dropped_at_handover.records == 0);
  CHECK(meter.failure().empty());
}

TEST_CASE("a full hand-over queue drops, counts, and never holds up capture") {
  auto tight = options();
  tight.queue_octets = 1;
  tight.metering.max_flows = 100;  // the others are evicted
  LiveMeter meter(tight, interfaces(std::make_unique<ScriptedSource>(50'000)));
  meter.start();
  wait_until([&] { return meter.states()[0].counters.received.packets == 50'000; });
  const auto counters = meter.counters()[0];
  CHECK(counters.dropped_at_handover.records > 40'000);
  CHECK(counters.accounted.packets == counters.cached.packets + counters.in_batch.packets +
                                          counters.handed_over.packets + counters.dropped_at_handover.packets);
  meter.stop();
  // What leaves at the end is waited for.
  const auto last = records_until_the_end(meter);
  CHECK(last + meter.counters()[0].dropped_at_handover.records == 50'000);
}

TEST_CASE("when the interface is gone its Flows leave, under its index") {
  auto source = std::make_unique<ScriptedSource>(10);
  source->goes_away = true;
  LiveMeter meter(options(), interfaces(std::move(source)));
  meter.start();
  std::unique_ptr<Batch> batch;
  wait_until([&] { return (batch = meter.pop(10ms)) != nullptr; });
  REQUIRE(batch->size() == 10);
  CHECK(batch->records()[0].forward.ingress_interface == 7);
  CHECK(batch->records()[0].flow_end_reason == FlowEndReason::forced_end);
  wait_until([&] { return meter.states()[0].capture.interface_index == 8; });
}

TEST_CASE("timeouts change while it runs, for the Flows in the cache too") {
  auto slow = options();
  slow.metering.timeouts.inactive_ns = 3'600'000'000'000;
  LiveMeter meter(slow, interfaces(std::make_unique<ScriptedSource>(100)));
  meter.start();
  wait_until([&] { return meter.states()[0].counters.received.packets == 100; });
  CHECK(meter.pop(0ms) == nullptr);
  meter.set_timeouts(Timeouts{.inactive_ns = 1'000'000});
  std::uint64_t records = 0;
  wait_until([&] {
    if (const auto batch = meter.pop(10ms)) {
      records += batch->size();
    }
    return records == 100;
  });
  wait_until([&] { return meter.counters()[0].ended[static_cast<std::size_t>(EndDetail::idle)] == 100; });
}

TEST_CASE("our own exports are not metered") {
  LiveMeter meter(options(), interfaces(std::make_unique<ScriptedSource>(300)));
  Address source = Address::mapped(0x0100000a);  // 10.0.0.1, as it lies on the wire
  Address destination = Address::mapped(0xfa00000a);
  OwnExport own{.source = source,
                .destination = destination,
                .source_port = 1000,
                .destination_port = 53,
                .protocol = Protocol::udp};
  auto over_tcp = own;
  over_tcp.source = Address::mapped(0x0200000a);
  over_tcp.protocol = Protocol::tcp;
  meter.set_own_exports({own, over_tcp});
  meter.start();
  wait_until([&] { return meter.states()[0].counters.received.packets == 300; });
  const auto counters = meter.counters()[0];
  CHECK(counters.discarded[static_cast<std::size_t>(Discard::own_export)].packets == 1);
  CHECK(counters.accounted.packets == 299);
}

TEST_CASE("the capacity changes for all workers together, within what the caches were made for") {
  LiveInterface::Sources sources;
  for (int worker = 0; worker < 3; ++worker) {
    sources.push_back(std::make_unique<ScriptedSource>(1000));
  }
  std::vector<LiveInterface> all;
  all.emplace_back("test", "", std::move(sources));
  auto small = options();
  small.metering.max_flows = 500;
  LiveMeter meter(small, std::move(all));
  CHECK_THROWS_AS(meter.set_capacity(501), std::invalid_argument);
  CHECK_THROWS_AS(meter.set_capacity(2), std::invalid_argument);
  CHECK_THROWS_AS(meter.set_capacity(-1), std::invalid_argument);
  meter.set_capacity(500);
  meter.set_capacity(100);
  meter.start();
  wait_until([&] {
    const auto states = meter.states();
    return std::all_of(states.begin(), states.end(),
                       [](const auto& state) { return state.counters.received.packets == 1000; });
  });
  std::uint64_t cached = 0;
  for (const auto& counters : meter.counters()) {
    cached += counters.cached_flows;
  }
  CHECK(cached == 100);
  meter.stop();
  CHECK(records_until_the_end(meter) == 3000);
}

TEST_CASE("the capacity changes while packets come") {
  LiveInterface::Sources sources;
  for (int worker = 0; worker < 2; ++worker) {
    sources.push_back(std::make_unique<ScriptedSource>(50'000));
  }
  std::vector<LiveInterface> all;
  all.emplace_back("test", "", std::move(sources));
  auto small = options();
  small.metering.max_flows = 500;
  LiveMeter meter(small, std::move(all));
  meter.start();
  std::uint64_t records = 0;
  std::int64_t capacity = 2;
  wait_until([&] {
    meter.set_capacity(capacity = 502 - capacity);
    if (const auto batch = meter.pop(0ms)) {
      records += batch->size();
    }
    const auto states = meter.states();
    return std::all_of(states.begin(), states.end(),
                       [](const auto& state) { return state.counters.received.packets == 50'000; });
  });
  meter.stop();
  records += records_until_the_end(meter);
  std::uint64_t dropped = 0;
  for (const auto& counters : meter.counters()) {
    dropped += counters.dropped_at_handover.records;
  }
  CHECK(records + dropped == 100'000);
}

TEST_CASE("every worker needs a Flow") {
  auto none = options();
  none.metering.max_flows = 0;
  CHECK_THROWS_AS(LiveMeter(none, interfaces(std::make_unique<ScriptedSource>(1))), std::invalid_argument);
  CHECK_THROWS_AS(LiveMeter(options(), {}), std::invalid_argument);
}
