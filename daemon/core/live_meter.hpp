// SPDX-License-Identifier: Apache-2.0
// Live capture on several interfaces, each with workers of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "capture/live_source.hpp"
#include "capture/own_exports.hpp"
#include "clock.hpp"
#include "meter.hpp"

namespace spanflow {

struct LiveMeterOptions {
  MeteringOptions metering;  // max_flows is that of all workers together
  std::size_t queue_octets = 32UL << 20;
};

// An interface that has been opened. Only moved: it owns sockets.
struct LiveInterface {
  using Sources = std::vector<std::unique_ptr<LiveSource>>;

  LiveInterface(std::string its_name, std::string its_filter, Sources its_sources)
      : name(std::move(its_name)), filter(std::move(its_filter)), sources(std::move(its_sources)) {}
  LiveInterface(LiveInterface&&) = default;
  LiveInterface& operator=(LiveInterface&&) = default;
  LiveInterface(const LiveInterface&) = delete;
  LiveInterface& operator=(const LiveInterface&) = delete;
  ~LiveInterface() = default;

  std::string name;
  std::string filter;
  Sources sources;  // one for each worker
};

// What a worker tells of itself. `turns` grows as long as it lives.
struct WorkerState {
  std::size_t interface = 0;
  std::uint64_t turns = 0;
  bool finished = false;
  CaptureState capture;
  Counters counters;
};

// Threads: `cap NAME N` for each worker of each interface; it owns its source, cache and timers. A full hand-over queue
// never holds up capture: the batch is dropped and counted.
class LiveMeter final : public Meter {
 public:
  // Throws std::bad_alloc, std::invalid_argument, std::system_error.
  LiveMeter(const LiveMeterOptions& options, std::vector<LiveInterface> interfaces);
  ~LiveMeter();

  void start();

  // Lets no more frames in, meters those that are in, sends every cached Flow, and ends; finished() then says so.
  void stop() noexcept;

  // For the Flows in the cache too.
  void set_timeouts(const Timeouts& timeouts);

  void set_own_exports(std::vector<OwnExport> exports) { own_exports_.set(std::move(exports)); }

  [[nodiscard]] std::vector<WorkerState> states() const;

 private:
  // Owner: one worker thread; others read `published` under the lock, and `turns`.
  struct Worker {
    MeteringProcess* process = nullptr;
    std::unique_ptr<LiveSource> source;
    std::size_t interface = 0;
    std::string thread_name;
    ClockWatch clock;
    std::int64_t next_look_ns = 0;
    std::uint64_t timeouts_version = 0;
    std::int64_t behind_ns = 0;
    std::atomic<std::uint64_t> turns = 0;
    std::atomic<bool> finished = false;
    mutable std::mutex mutex;
    CaptureState published;
  };

  void run(Worker& worker);
  void look_after(Worker& worker, const Moment& now);
  void drain(Worker& worker);
  [[nodiscard]] Moment read_clock(Worker& worker) const;
  static void publish(Worker& worker);

  std::vector<std::unique_ptr<Worker>> live_;
  OwnExports own_exports_;
  int wake_;  // readable from stop() on
  std::mutex timeouts_mutex_;
  Timeouts timeouts_;
  std::atomic<std::uint64_t> timeouts_version_ = 0;
};

}  // namespace spanflow
