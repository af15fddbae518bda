// SPDX-License-Identifier: Apache-2.0
#include "handover/batch_queue.hpp"

#include <utility>

namespace spanflow {

bool BatchQueue::push(std::unique_ptr<Batch> batch, WhenFull when_full) {
  const auto octets = batch->octets();
  std::unique_lock lock(mutex_);
  // A batch that is larger than the whole bound passes when the queue is empty.
  const auto has_room = [&] { return closed_ || batches_.empty() || octets_ + octets <= max_octets_; };
  if (when_full == WhenFull::wait) {
    not_full_.wait(lock, has_room);
  }
  if (closed_ || !has_room()) {
    return false;
  }
  octets_ += octets;
  batches_.push_back(std::move(batch));
  not_empty_.notify_one();
  return true;
}

std::unique_ptr<Batch> BatchQueue::pop(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  not_empty_.wait_for(lock, timeout, [&] { return !batches_.empty() || producers_ == 0; });
  if (batches_.empty()) {
    return nullptr;
  }
  auto batch = std::move(batches_.front());
  batches_.pop_front();
  octets_ -= batch->octets();
  not_full_.notify_all();
  return batch;
}

void BatchQueue::producer_finished() {
  const std::lock_guard lock(mutex_);
  --producers_;
  not_empty_.notify_all();
}

bool BatchQueue::exhausted() const {
  const std::lock_guard lock(mutex_);
  return producers_ == 0 && batches_.empty();
}

void BatchQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  not_full_.notify_all();
}

}  // namespace spanflow
