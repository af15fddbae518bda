// SPDX-License-Identifier: Apache-2.0
#include "file_meter.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace spanflow {

FileMeter::FileMeter(const FileMeterOptions& options, std::vector<std::string> paths)
    : Meter(options.queue_octets, options.workers),
      options_(options),
      input_(std::move(paths), stop_),
      dealer_(input_, options.workers, stop_) {
  if (options.workers < 1 || options.workers > 64 || options.metering.max_flows < options.workers) {
    throw std::invalid_argument("1 to 64 workers, and at least one Flow for each");
  }
  for (std::uint32_t worker = 0; worker < options.workers; ++worker) {
    add_worker(share_of(options.metering, worker, options.workers), BatchQueue::WhenFull::wait);
  }
}

void FileMeter::start() {
  const auto worker_done = [this] { producer_finished(); };
  if (options_.workers == 1) {
    run_thread("spanflow-meter", [this] { read_and_meter(); }, worker_done);
    return;
  }
  for (std::uint32_t worker = 0; worker < options_.workers; ++worker) {
    run_thread(
        "spanflow-w" + std::to_string(worker), [this, worker] { meter_share(worker); },
        [this, worker, worker_done] {
          dealer_.leave(worker);
          worker_done();
        });
  }
}

void FileMeter::read_and_meter() {
  auto& worker = *workers_.front();
  std::array<Frame, MeteringProcess::kBatch> frames;
  while (!stop_.load(std::memory_order_relaxed)) {
    const auto count = input_.next(frames);
    if (count == 0) {
      break;
    }
    worker.process(std::span(frames).first(count));
    worker.expire(input_.clock_ns() - options_.metering.reorder_window_ns);
  }
  worker.finish(input_.clock_ns());
}

void FileMeter::meter_share(std::uint32_t index) {
  auto& worker = *workers_[index];
  for (;;) {
    auto frames = dealer_.next(index);
    if (frames.empty()) {
      break;
    }
    while (!frames.empty()) {
      const auto batch = frames.first(std::min(frames.size(), MeteringProcess::kBatch));
      worker.process(batch);
      worker.expire(batch.back().clock_ns - options_.metering.reorder_window_ns);
      frames = frames.subspan(batch.size());
    }
  }
  worker.finish(input_.clock_ns());  // nobody reads any more
}

}  // namespace spanflow
