// SPDX-License-Identifier: Apache-2.0
// Between the workers and Python: bounded in octets.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "handover/batch_pool.hpp"

namespace spanflow {

// Owner: shared. Workers push, one consumer pops; a lock is held for a few instructions, once per batch.
class BatchQueue {
 public:
  enum class WhenFull : std::uint8_t { wait, drop };

  BatchQueue(std::size_t max_octets, std::size_t producers) : max_octets_(max_octets), producers_(producers) {}

  // False: dropped, because the queue is full (live) or closed.
  [[nodiscard]] bool push(std::unique_ptr<Batch> batch, WhenFull when_full);

  // The next batch, or null after `timeout`, or null at once when every producer has finished and nothing is left.
  [[nodiscard]] std::unique_ptr<Batch> pop(std::chrono::milliseconds timeout);

  void producer_finished();
  [[nodiscard]] bool exhausted() const;

  // Nobody will pop any more: pushes fail from now on.
  void close();

 private:
  mutable std::mutex mutex_;
  std::condition_variable not_full_;
  std::condition_variable not_empty_;
  std::deque<std::unique_ptr<Batch>> batches_;
  std::size_t max_octets_;
  std::size_t octets_ = 0;
  std::size_t producers_;
  bool closed_ = false;
};

}  // namespace spanflow
