// SPDX-License-Identifier: Apache-2.0
// Workers and their threads, and the queue out of which Python takes batches: what is the same for files and live.
#pragma once

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "handover/batch_queue.hpp"
#include "metering_process.hpp"

namespace spanflow {

// Owner: the control thread.
class Meter {
 public:
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  // The next batch; null after `timeout`, or when there are no more (finished()).
  [[nodiscard]] std::unique_ptr<Batch> pop(std::chrono::milliseconds timeout) { return queue_.pop(timeout); }
  [[nodiscard]] bool finished() const { return queue_.exhausted(); }

  // How many Flows the workers may hold together from now on. Throws std::invalid_argument unless each gets one and
  // none more than its cache was made for.
  void set_capacity(std::int64_t flows);

  [[nodiscard]] std::vector<Counters> counters() const;
  // What libpcap says against the filter, empty when it compiles. After the end only.
  [[nodiscard]] std::string filter_error() const;
  // What ended a thread before its time (out of memory), empty when nothing did.
  [[nodiscard]] std::string failure() const;

 protected:
  Meter(std::size_t queue_octets, std::size_t workers)
      : pool_(std::make_shared<BatchPool>()), queue_(queue_octets, workers) {}
  ~Meter() = default;

  void add_worker(const MeteringOptions& options, BatchQueue::WhenFull when_full) {
    workers_.push_back(std::make_unique<MeteringProcess>(options, pool_, queue_, when_full));
  }

  template <typename Work, typename Done>
  void run_thread(const std::string& name, Work work, Done done) {
    threads_.emplace_back([this, name, work, done] {
      pthread_setname_np(pthread_self(), name.c_str());
      try {
        work();
      } catch (const std::exception& error) {
        const std::lock_guard lock(failure_mutex_);
        failure_ = name + ": " + error.what();
      }
      done();  // whatever happened: somebody waits for it
    });
  }
  void producer_finished() { queue_.producer_finished(); }

  // The last thing that a destructor does: the threads look at what it is about to destroy.
  void join();

  std::vector<std::unique_ptr<MeteringProcess>> workers_;
  std::atomic<bool> stop_ = false;

 private:
  std::shared_ptr<BatchPool> pool_;
  BatchQueue queue_;
  std::vector<std::thread> threads_;
  mutable std::mutex failure_mutex_;
  std::string failure_;
};

// The share of one of several workers in what all of them may have together.
[[nodiscard]] constexpr std::uint32_t share_of(std::uint32_t flows, std::uint32_t worker,
                                               std::uint32_t workers) noexcept {
  return flows / workers + (worker < flows % workers ? 1 : 0);
}
[[nodiscard]] MeteringOptions share_of(const MeteringOptions& options, std::uint32_t worker, std::uint32_t workers);

}  // namespace spanflow
