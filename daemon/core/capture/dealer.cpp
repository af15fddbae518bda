// SPDX-License-Identifier: Apache-2.0
#include "capture/dealer.hpp"

#include <utility>

namespace spanflow {

void Chunk::append(const Frame& frame) {
  if (frames_.empty() && frame.captured_octets > octets_.capacity()) {
    octets_.reserve(frame.captured_octets);  // a frame that is larger than a chunk travels alone
  }
  const auto* at = octets_.data() + octets_.size();  // capacity suffices: nothing moves
  octets_.insert(octets_.end(), frame.data, frame.data + frame.captured_octets);
  frames_.push_back(frame);
  frames_.back().data = at;
}

void ChunkQueue::push(std::unique_ptr<Chunk> chunk) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return finished_ || chunks_.size() < kMost; });
  if (finished_) {
    return;  // its worker has died
  }
  chunks_.push_back(std::move(chunk));
  changed_.notify_all();
}

void ChunkQueue::finish() {
  const std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

std::unique_ptr<Chunk> ChunkQueue::pop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return finished_ || !chunks_.empty(); });
  if (chunks_.empty()) {
    return nullptr;
  }
  auto chunk = std::move(chunks_.front());
  chunks_.pop_front();
  changed_.notify_all();
  return chunk;
}

}  // namespace spanflow
