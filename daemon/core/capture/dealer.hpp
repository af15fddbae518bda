// SPDX-License-Identifier: Apache-2.0
// Several workers read one input: who has little to do reads on, and deals what it reads.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "capture/input.hpp"

namespace spanflow {

// Owner: shared by the workers, one of which reads at a time. A reader takes time from no worker but itself, and
// nothing is copied: frames stay where they were read.
class Dealer {
 public:
  // `stop` set is the end of the input; it and `input` outlive this.
  Dealer(Input& input, std::uint32_t workers, const std::atomic<bool>& stop);

  // The next frames of this worker, in order; they stay valid until its next call. Empty: the end, what was dealt
  // before it is taken.
  [[nodiscard]] std::span<const Frame> next(std::uint32_t worker);

  // This worker takes no more, and may have died: what is dealt to it is dropped.
  void leave(std::uint32_t worker);

 private:
  static constexpr std::size_t kFrames = 8192;  // that are dealt at once: as a rule all that a ByteBuffer holds
  static constexpr std::size_t kAhead = 4096;   // frames: a worker for which fewer wait reads on, if it is a file
  static constexpr std::size_t kMost = 8;       // hands: while so many wait for one worker, nobody reads on

  // What one worker gets out of one reading.
  struct Hand {
    std::vector<Frame> frames;
    std::shared_ptr<const ByteBuffer> octets;
  };
  struct Place {
    std::deque<Hand> waiting;
    std::size_t waiting_frames = 0;
    Hand dealing;  // of who reads
    Hand taken;    // of the worker itself
    bool left = false;
  };

  [[nodiscard]] bool should_read(const Place& place) const noexcept;
  void read_on(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] bool read();
  void hand_out();

  Input& input_;
  const std::atomic<bool>& stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Place> places_;
  std::vector<std::vector<Frame>> spare_;  // memory of hands that were taken
  std::array<Frame, kFrames> frames_;      // of who reads
  bool reading_ = false;
  bool ended_ = false;
};

}  // namespace spanflow
