// SPDX-License-Identifier: Apache-2.0
#include "meter.hpp"

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

}  // namespace spanflow
