// SPDX-License-Identifier: Apache-2.0
// Capture files, their workers and threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "capture/dealer.hpp"
#include "capture/input.hpp"
#include "meter.hpp"

namespace spanflow {

struct FileMeterOptions {
  MeteringOptions metering;  // max_flows is that of all workers together
  std::uint32_t workers = 1;
  std::size_t queue_octets = 64UL << 20;
};

// Meters capture files. Threads: with one worker `spanflow-meter`, which reads and meters; with several `spanflow-w0`
// …, each of which meters its share, and which read in turn. Offline a full queue makes them wait: nothing is dropped.
class FileMeter final : public Meter {
 public:
  // Throws std::bad_alloc, std::invalid_argument.
  FileMeter(const FileMeterOptions& options, std::vector<std::string> paths);
  ~FileMeter() { join(); }

  void start();

  // Reads no further. What is cached leaves as at the end of the input.
  void stop() noexcept { stop_.store(true, std::memory_order_relaxed); }

  [[nodiscard]] std::vector<FileProblem> problems() const { return input_.problems(); }
  [[nodiscard]] std::uint64_t octets_read() const noexcept { return input_.octets_read(); }

 private:
  void read_and_meter();
  void meter_share(std::uint32_t worker);

  FileMeterOptions options_;
  Input input_;
  Dealer dealer_;
};

}  // namespace spanflow
