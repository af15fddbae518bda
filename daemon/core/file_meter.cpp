// SPDX-License-Identifier: Apache-2.0
#include "file_meter.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "capture/fanout.hpp"

namespace spanflow {

FileMeter::FileMeter(const FileMeterOptions& options, std::vector<std::string> paths)
    : Meter(options.queue_octets, options.workers), options_(options), input_(std::move(paths), stop_) {
  if (options.workers < 1 || options.workers > 64 || options.metering.max_flows < options.workers) {
    throw std::invalid_argument("1 to 64 workers, and at least one Flow for each");
  }
  for (std::uint32_t worker = 0; worker < options.workers; ++worker) {
    add_worker(share_of(options.metering, worker, options.workers), BatchQueue::WhenFull::wait);
    chunks_.push_back(std::make_unique<ChunkQueue>());
  }
}

void FileMeter::start() {
  const auto worker_done = [this] { producer_finished(); };
  if (options_.workers == 1) {
    run_thread("spanflow-meter", [this] { read_and_meter(); }, worker_done);
    return;
  }
  run_thread(
      "spanflow-meter", [this] { read_and_deal(); },
      [this] { std::for_each(chunks_.begin(), chunks_.end(), [](auto& chunks) { chunks->finish(); }); });
  for (std::uint32_t worker = 0; worker < options_.workers; ++worker) {
    run_thread(
        "spanflow-w" + std::to_string(worker), [this, worker] { meter_chunks(worker); },
        [this, worker, worker_done] {
          chunks_[worker]->finish();
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

void FileMeter::read_and_deal() {
  std::vector<std::unique_ptr<Chunk>> filling(options_.workers);
  std::array<Frame, MeteringProcess::kBatch> frames;
  while (!stop_.load(std::memory_order_relaxed)) {
    const auto count = input_.next(frames);
    if (count == 0) {
      break;
    }
    for (const auto& frame : std::span(frames).first(count)) {
      const auto worker = worker_of(frame, options_.workers);
      auto& chunk = filling[worker];
      if (chunk != nullptr && !chunk->has_room_for(frame)) {
        chunks_[worker]->push(std::exchange(chunk, nullptr));
      }
      if (chunk == nullptr) {
        chunk = std::make_unique<Chunk>();
      }
      chunk->append(frame);
    }
  }
  for (std::uint32_t worker = 0; worker < options_.workers; ++worker) {
    if (filling[worker] != nullptr) {
      chunks_[worker]->push(std::move(filling[worker]));
    }
  }
}

void FileMeter::meter_chunks(std::uint32_t index) {
  auto& worker = *workers_[index];
  while (const auto chunk = chunks_[index]->pop()) {
    for (auto frames = chunk->frames(); !frames.empty();) {
      const auto batch = frames.first(std::min(frames.size(), MeteringProcess::kBatch));
      worker.process(batch);
      worker.expire(batch.back().clock_ns - options_.metering.reorder_window_ns);
      frames = frames.subspan(batch.size());
    }
  }
  worker.finish(input_.clock_ns());  // the reader has finished: the queue says so
}

}  // namespace spanflow
