// SPDX-License-Identifier: Apache-2.0
// From one reading thread to several workers: chunks of frames, copied once.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "decode/packet.hpp"

namespace spanflow {

// Frames with their octets. Owner: who holds it.
class Chunk {
 public:
  static constexpr std::size_t kOctets = std::size_t{256} << 10;
  static constexpr std::size_t kFrames = 2048;

  Chunk() {
    octets_.reserve(kOctets);
    frames_.reserve(kFrames);
  }

  [[nodiscard]] bool has_room_for(const Frame& frame) const noexcept {
    return frames_.empty() ||
           (frames_.size() < kFrames && octets_.size() + frame.captured_octets <= octets_.capacity());
  }
  void append(const Frame& frame);
  [[nodiscard]] std::span<const Frame> frames() const noexcept { return frames_; }

 private:
  std::vector<std::byte> octets_;
  std::vector<Frame> frames_;
};

// Owner: shared by the reader, which pushes, and one worker, which pops. The reader waits when it is full.
class ChunkQueue {
 public:
  void push(std::unique_ptr<Chunk> chunk);
  // No more will come, or none will be taken.
  void finish();
  // Null: finished and empty.
  [[nodiscard]] std::unique_ptr<Chunk> pop();

 private:
  static constexpr std::size_t kMost = 8;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Chunk>> chunks_;
  bool finished_ = false;
};

}  // namespace spanflow
