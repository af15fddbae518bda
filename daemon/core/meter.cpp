// SPDX-License-Identifier: Apache-2.0
#include "meter.hpp"

#include <algorithm>

namespace spanflow {

std::vector<Counters> Meter::counters() const {
  std::vector<Counters> all;
  for (const auto& worker : workers_) {
    all.push_back(worker->counters());
  }
  return all;
}

std::string Meter::filter_error() const {
  for (const auto& worker : workers_) {
    if (!worker->filter_error().empty()) {
      return worker->filter_error();
    }
  }
  return {};
}

std::string Meter::failure() const {
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

void Meter::join() {
  stop_.store(true, std::memory_order_relaxed);
  queue_.close();
  for (auto& thread : threads_) {
    thread.join();
  }
}

MeteringOptions share_of(const MeteringOptions& options, std::uint32_t worker, std::uint32_t workers) {
  auto share = options;
  share.worker = static_cast<std::uint8_t>(worker);
  share.max_flows = share_of(options.max_flows, worker, workers);
  if (share.classification) {
    share.classification->max_flows = std::max(share_of(options.classification->max_flows, worker, workers), 1U);
    share.classification->memory_octets = options.classification->memory_octets / workers;
  }
  return share;
}

}  // namespace spanflow
