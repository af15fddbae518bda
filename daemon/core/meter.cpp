// SPDX-License-Identifier: Apache-2.0
#include "meter.hpp"

#include <algorithm>
#include <stdexcept>

namespace spanflow {

void Meter::set_capacity(std::int64_t flows) {
  const auto workers = static_cast<std::uint32_t>(workers_.size());
  std::int64_t most = 0;
  for (const auto& worker : workers_) {
    most += worker->largest_capacity();
  }
  if (flows < workers || flows > most) {
    throw std::invalid_argument("the cache was made for " + std::to_string(most) + ", and each worker needs one");
  }
  for (std::uint32_t worker = 0; worker < workers; ++worker) {
    workers_[worker]->set_capacity(share_of(static_cast<std::uint32_t>(flows), worker, workers));
  }
}

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
