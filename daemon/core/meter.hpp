// SPDX-License-Identifier: Apache-2.0
// An input, its workers and their threads, and the queue out of which Python takes batches.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "capture/dealer.hpp"
#include "capture/input.hpp"
#include "handover/batch_queue.hpp"
#include "metering_process.hpp"

namespace spanflow {

struct MeterOptions {
  MeteringOptions metering;  // max_flows is that of all workers together
  std::uint32_t workers = 1;
  std::size_t queue_octets = 64UL << 20;
};

// Meters capture files. Threads: `spanflow-meter` reads and, with one worker, meters; with several each has a thread
// `spanflow-w0` … that gets its share in chunks. Offline a full queue makes them wait: nothing is dropped.
class Meter {
 public:
  // Throws std::bad_alloc, std::invalid_argument.
  Meter(const MeterOptions& options, std::vector<std::string> paths);
  ~Meter();
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  void start();

  // Reads no further. What is cached leaves as at the end of the input.
  void stop() noexcept { stop_.store(true, std::memory_order_relaxed); }

  // The next batch; null after `timeout`, or when there are no more (finished()).
  [[nodiscard]] std::unique_ptr<Batch> pop(std::chrono::milliseconds timeout) { return queue_.pop(timeout); }
  [[nodiscard]] bool finished() const { return queue_.exhausted(); }

  [[nodiscard]] std::vector<Counters> counters() const;
  [[nodiscard]] std::vector<FileProblem> problems() const { return input_.problems(); }
  [[nodiscard]] std::uint64_t octets_read() const noexcept { return input_.octets_read(); }
  // What libpcap says against the filter, empty when it compiles. After the end only.
  [[nodiscard]] std::string filter_error() const;
  // What ended a thread before its time (out of memory), empty when nothing did. After the end only.
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }

 private:
  void read_and_meter();
  void read_and_deal();
  void meter_chunks(std::uint32_t worker);
  template <typename Work, typename Done>
  void run_thread(const std::string& name, Work work, Done done);

  MeterOptions options_;
  std::atomic<bool> stop_ = false;  // before `input_`, which looks at it
  Input input_;
  std::shared_ptr<BatchPool> pool_;
  BatchQueue queue_;
  std::vector<std::unique_ptr<MeteringProcess>> workers_;
  std::vector<std::unique_ptr<ChunkQueue>> chunks_;
  std::vector<std::thread> threads_;
  std::mutex failure_mutex_;
  std::string failure_;
};

}  // namespace spanflow
