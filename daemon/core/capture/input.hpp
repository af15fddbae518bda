// SPDX-License-Identifier: Apache-2.0
// Several capture files in a row, as one input with one clock.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "capture/source.hpp"

namespace spanflow {

struct FileProblem {
  std::string path;
  Problem problem;
};

// Owner: the reading thread; progress() and problems() are for everybody.
class Input {
 public:
  // `stop` set, from any thread, is the end of the input; it outlives this.
  Input(std::vector<std::string> paths, const std::atomic<bool>& stop) : paths_(std::move(paths)), stop_(stop) {}

  // The next frames, with their clock; they stay valid until the next call. 0: the end of all files. A file that cannot
  // be read, or not to its end, is a problem to report; the next one is read all the same.
  [[nodiscard]] std::size_t next(std::span<Frame> frames);

  // What the frames of the last call lie in: they stay valid as long as somebody has it.
  [[nodiscard]] std::shared_ptr<const ByteBuffer> octets() noexcept { return source_->octets(); }

  // Whether the next call of next() may wait for somebody to write into a pipe. False at the end of a file that a pipe
  // follows.
  [[nodiscard]] bool may_block() const noexcept { return source_ != nullptr && source_->may_block(); }

  // The highest time stamp so far, 0 before the first.
  [[nodiscard]] std::int64_t clock_ns() const noexcept { return clock_ns_; }

  [[nodiscard]] std::uint64_t octets_read() const noexcept { return octets_read_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::vector<FileProblem> problems() const;

 private:
  void report(Problem problem);
  void note_link_types(std::span<const Frame> frames);

  std::vector<std::string> paths_;
  const std::atomic<bool>& stop_;
  std::size_t current_ = 0;
  std::unique_ptr<Source> source_;
  std::int64_t clock_ns_ = 0;
  std::uint64_t octets_before_ = 0;  // of the files that are done
  std::atomic<std::uint64_t> octets_read_ = 0;
  std::optional<std::uint16_t> last_link_type_;  // that was looked at; files change it rarely
  bool unsupported_reported_ = false;            // in this file
  mutable std::mutex mutex_;
  std::vector<FileProblem> problems_;
};

}  // namespace spanflow
