// SPDX-License-Identifier: Apache-2.0
#include "capture/dealer.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "capture/fanout.hpp"

namespace spanflow {

Dealer::Dealer(Input& input, std::uint32_t workers, const std::atomic<bool>& stop)
    : input_(input), stop_(stop), places_(workers) {}

std::span<const Frame> Dealer::next(std::uint32_t worker) {
  std::unique_lock lock(mutex_);
  auto& place = places_[worker];
  place.taken.octets.reset();
  spare_.push_back(std::exchange(place.taken.frames, {}));
  for (;;) {
    if (should_read(place)) {
      read_on(lock);
    } else if (!place.waiting.empty()) {
      if (place.waiting.size() == kMost) {
        changed_.notify_all();  // somebody may read again
      }
      place.taken = std::move(place.waiting.front());
      place.waiting.pop_front();
      place.waiting_frames -= place.taken.frames.size();
      return place.taken.frames;
    } else if (ended_) {
      return {};
    } else {
      changed_.wait(lock);
    }
  }
}

void Dealer::leave(std::uint32_t worker) {
  const std::lock_guard lock(mutex_);
  auto& place = places_[worker];
  place.left = true;
  place.waiting.clear();
  place.taken = {};
  changed_.notify_all();
}

bool Dealer::should_read(const Place& place) const noexcept {
  // Frames that are there do not wait for a pipe on which nothing comes.
  return !ended_ && !reading_ && place.waiting_frames < (input_.may_block() ? 1 : kAhead) &&
         std::none_of(places_.begin(), places_.end(), [](const Place& any) { return any.waiting.size() >= kMost; });
}

// Others may take what waits for them meanwhile.
void Dealer::read_on(std::unique_lock<std::mutex>& lock) {
  reading_ = true;
  for (auto& place : places_) {
    if (place.dealing.frames.capacity() == 0 && !spare_.empty()) {
      place.dealing.frames = std::move(spare_.back());
      place.dealing.frames.clear();
      spare_.pop_back();
    }
  }
  lock.unlock();
  auto more = false;
  std::exception_ptr failure;
  try {
    more = read();
  } catch (...) {
    failure = std::current_exception();  // once the others know that nothing comes any more
  }
  lock.lock();
  reading_ = false;
  ended_ = !more;
  if (more) {
    hand_out();
  }
  changed_.notify_all();
  if (failure != nullptr) {
    std::rethrow_exception(failure);
  }
}

// Reads into `dealing` of each place. False: the end.
bool Dealer::read() {
  const auto count = stop_.load(std::memory_order_relaxed) ? 0 : input_.next(frames_);
  const auto workers = static_cast<std::uint32_t>(places_.size());
  for (const auto& frame : std::span(frames_).first(count)) {
    places_[worker_of(frame, workers)].dealing.frames.push_back(frame);
  }
  for (auto& place : places_) {
    if (!place.dealing.frames.empty()) {
      place.dealing.octets = input_.octets();
    }
  }
  return count != 0;
}

void Dealer::hand_out() {
  for (auto& place : places_) {
    if (place.left) {
      place.dealing = {};
    } else if (!place.dealing.frames.empty()) {
      place.waiting_frames += place.dealing.frames.size();
      place.waiting.push_back(std::exchange(place.dealing, {}));
    }
  }
}

}  // namespace spanflow
