// SPDX-License-Identifier: Apache-2.0
#include "capture/input.hpp"

#include <algorithm>
#include <utility>

#include "decode/decode.hpp"

namespace spanflow {

void Input::report(Problem problem) {
  const std::lock_guard lock(mutex_);
  problems_.push_back(FileProblem{.path = paths_[current_], .problem = std::move(problem)});
}

std::vector<FileProblem> Input::problems() const {
  const std::lock_guard lock(mutex_);
  return problems_;
}

// Frames of a link type that we cannot decode are counted one by one; the file's problem is told once.
void Input::note_link_types(std::span<const Frame> frames) {
  for (const auto& frame : frames) {
    if (frame.link_type == last_link_type_) [[likely]] {
      continue;
    }
    last_link_type_ = frame.link_type;
    if (!link_type_supported(frame.link_type) && !unsupported_reported_) {
      unsupported_reported_ = true;
      report(Problem{.kind = Problem::Kind::unsupported,
                     .text = "link type " + std::to_string(frame.link_type) +
                             " is not supported, its frames are counted as unsupported_link; capture on an Ethernet, "
                             "cooked, raw IP, PPP or loopback device"});
    }
  }
}

std::size_t Input::next(std::span<Frame> frames) {
  for (;;) {
    if (source_ == nullptr) {
      if (current_ == paths_.size() || stop_.load(std::memory_order_relaxed)) {
        return 0;
      }
      Problem problem;
      last_link_type_.reset();
      unsupported_reported_ = false;
      source_ = open_capture_file(paths_[current_], stop_, problem);
      if (source_ == nullptr) {
        if (problem) {
          report(std::move(problem));
        }
        ++current_;
        continue;
      }
    }
    const auto count = source_->next(frames);
    octets_read_.store(octets_before_ + source_->octets_read(), std::memory_order_relaxed);
    if (count != 0) {
      for (auto& frame : frames.first(count)) {
        clock_ns_ = std::max(clock_ns_, frame.time_ns);
        frame.clock_ns = clock_ns_;
      }
      note_link_types(frames.first(count));
      return count;
    }
    if (source_->problem()) {
      report(source_->problem());
    }
    octets_before_ += source_->octets_read();
    source_.reset();
    ++current_;
  }
}

}  // namespace spanflow
