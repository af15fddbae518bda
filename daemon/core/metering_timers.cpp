// SPDX-License-Identifier: Apache-2.0
// The other half of a worker: how Flows leave its cache, by timers, for want of room, at the end.
#include <algorithm>
#include <array>
#include <limits>

#include "cache/statistics.hpp"
#include "metering_process.hpp"

namespace spanflow {
namespace {

constexpr std::size_t kVisit = 64;    // Flows whose lines are fetched together when their slot is due
constexpr std::uint32_t kAhead = 16;  // Flows, where they leave in the order of memory
constexpr int kMostExamined = 64;     // Flows that are looked at to find one to evict
constexpr int kMostEvicted = 2;       // Flows that leave for a new one, while the cache holds more than it may

// Live, a Flow whose latest packet lies so far ahead of the clock has been left there by a clock that was set back.
constexpr std::int64_t kAheadNs = 1'000'000'000;

}  // namespace

// ---- leaving ----

// The Flow leaves with this record.
void MeteringProcess::send(std::uint32_t flow, EndDetail detail) {
  if (waiting_count_ != 0) {
    classify_waiting();  // some of it may be about this Flow
  }
  auto& hot = cache_.hot(flow);
  if ((hot.state & FlowState::detecting) != 0) {
    detection_->conclude(flow, hot);  // also when its last record has left: every Flow is counted
    hot.state &= static_cast<std::uint16_t>(~FlowState::detecting);
  }
  write(flow, detail);
}

// The active timeout: the record leaves, the Flow lives on without one.
void MeteringProcess::split(std::uint32_t flow) {
  if (waiting_count_ != 0) {
    classify_waiting();
  }
  write(flow, EndDetail::active);
  auto& hot = cache_.hot(flow);
  hot.state &= static_cast<std::uint16_t>(~FlowState::of_the_record);
  hot.state |= FlowState::continuation | of_a_new_record_;
  clear_record(hot);
}

void MeteringProcess::write(std::uint32_t flow, EndDetail detail) {
  const auto& hot = cache_.hot(flow);
  if ((hot.state & FlowState::empty) != 0) {
    return;
  }
  if (detection_ == nullptr) {
    writer_.write(flow, hot, cache_.cold(flow), detail, nullptr);
    return;
  }
  const auto classification = detection_->current(flow, hot);
  writer_.write(flow, hot, cache_.cold(flow), detail, &classification);
}

void MeteringProcess::forget(std::uint32_t flow) {
  if (detection_ != nullptr) {
    detection_->close(flow);
  }
  cache_.erase(flow);
  counters_.cached_flows -= 1;
}

void MeteringProcess::reschedule(std::uint32_t flow) {
  const auto deadline = next_deadline(cache_.hot(flow), cache_.cold(flow), options_.timeouts);
  wheel_.remove(flow);
  schedule(flow, deadline.time_ns);
}

// Live, no deadline is further away than the longest timeout; one that seems so is that of a clock that was set back.
void MeteringProcess::schedule(std::uint32_t flow, std::int64_t deadline_ns) {
  wheel_.insert(flow, options_.live ? std::min(deadline_ns, clock_ns_ + horizon_ns_) : deadline_ns);
}

void MeteringProcess::expire(std::int64_t clock_ns) {
  clock_ns_ = clock_ns;
  if (!wheel_.started() || !wheel_.behind(clock_ns)) {
    return;
  }
  std::array<std::uint32_t, kVisit> due;
  for (std::size_t count = 0; (count = wheel_.take_due(clock_ns, due)) != 0;) {
    const auto flows = std::span(due).first(count);
    for (const auto flow : flows) {
      cache_.prefetch_all_of(flow);
      if (detection_ != nullptr) {
        detection_->prefetch(flow);
      }
    }
    for (const auto flow : flows) {
      cache_.prefetch_bucket(cache_.hash(cache_.hot(flow).key()));  // most of them will be erased
      if (detection_ != nullptr) {
        detection_->prefetch_details(flow);
      }
    }
    for (const auto flow : flows) {
      auto deadline = next_deadline(cache_.hot(flow), cache_.cold(flow), options_.timeouts);
      if (deadline.time_ns < clock_ns && deadline.detail == EndDetail::active) {
        split(flow);
        deadline = next_deadline(cache_.hot(flow), cache_.cold(flow), options_.timeouts);
      }
      const auto left_ahead = options_.live && cache_.hot(flow).last_ns > clock_ns + kAheadNs;
      if (deadline.time_ns < clock_ns || left_ahead) {
        if (options_.live && !left_ahead && deadline.time_ns >= stepped_to_ns_) {
          counters_.add_expiry_lag(clock_ns + options_.reorder_window_ns - deadline.time_ns);
        }
        send(flow, deadline.detail);
        forget(flow);
      } else {
        schedule(flow, deadline.time_ns);
      }
    }
  }
}

void MeteringProcess::step_clock(std::int64_t step_ns) {
  wheel_.step_clock(step_ns);
  clock_ns_ += step_ns;
  stepped_to_ns_ = clock_ns_;
  counters_.clock_steps += 1;
}

void MeteringProcess::set_timeouts(const Timeouts& timeouts) {
  adopt(timeouts);
  cache_.for_each([&](std::uint32_t flow) { reschedule(flow); });
}

// For a new Flow of this hash. A capacity that was lowered is reached by and by, so that no packet waits for long.
void MeteringProcess::make_room(std::uint64_t hash) {
  const auto capacity = capacity_.load(std::memory_order_relaxed);
  for (int evicted = 0; evicted < kMostEvicted && cache_.size() >= capacity; ++evicted) [[unlikely]] {
    evict_next();
  }
  if (cache_.room_for(hash).crowded) [[unlikely]] {
    evict_from_chain(hash);
  }
}

// The cache is full: the Flow that would expire next goes. One whose deadline has moved on since it was put on the
// wheel is put where it belongs: the next search will not meet it again, so that the cost of looking is paid once per
// Flow.
void MeteringProcess::evict_next() {
  auto victim = FlowCache::kNone;
  auto earliest_ns = std::numeric_limits<std::int64_t>::max();  // above every deadline
  for (int examined = 0; examined < kMostExamined; ++examined) {
    const auto next = wheel_.next();
    const auto deadline_ns = deadline_of(next.flow);
    if (deadline_ns < earliest_ns) {
      victim = next.flow;
      earliest_ns = deadline_ns;
    }
    if (deadline_ns < next.slot_end_ns) {
      victim = next.flow;
      break;
    }
    wheel_.remove(next.flow);
    schedule(next.flow, deadline_ns);
  }
  evict(victim);
}

// The places in the index for this hash are full.
void MeteringProcess::evict_from_chain(std::uint64_t hash) {
  auto victim = FlowCache::kNone;
  auto earliest_ns = std::numeric_limits<std::int64_t>::max();
  for (const auto flow : cache_.chain_of(hash)) {
    if (flow != FlowCache::kNone && deadline_of(flow) < earliest_ns) {
      victim = flow;
      earliest_ns = deadline_of(flow);
    }
  }
  counters_.crowded_evictions += 1;
  evict(victim);
}

std::int64_t MeteringProcess::deadline_of(std::uint32_t flow) const noexcept {
  return next_deadline(cache_.hot(flow), cache_.cold(flow), options_.timeouts).time_ns;
}

void MeteringProcess::evict(std::uint32_t flow) {
  send(flow, EndDetail::evicted);
  wheel_.remove(flow);
  forget(flow);
}

// ---- the end ----

void MeteringProcess::finish(std::int64_t clock_ns) {
  cache_.for_each([&](std::uint32_t flow) {
    if (detection_ != nullptr && flow + 2 * kAhead < cache_.capacity()) {
      detection_->prefetch(flow + 2 * kAhead);
      detection_->prefetch_details(flow + kAhead);
    }
    const auto deadline = next_deadline(cache_.hot(flow), cache_.cold(flow), options_.timeouts);
    const auto ended = deadline.detail == EndDetail::fin || deadline.detail == EndDetail::rst;
    send(flow, ended || deadline.reached_at(clock_ns) ? deadline.detail : EndDetail::flush);
  });
  if (detection_ != nullptr) {
    detection_->clear();
  }
  if (first_packets_ != nullptr) {
    first_packets_->clear();
  }
  cache_.clear();
  wheel_.clear();
  counters_.cached_flows = 0;
  hand_over();
}

void MeteringProcess::hand_over() {
  writer_.flush();
  publish_counters();
}

void MeteringProcess::publish_counters() {
  batches_since_publication_ = 0;
  if (detection_ != nullptr) {
    detection_->measure();
  }
  published_.publish(counters_);
}

FlowCount MeteringProcess::audit() const {
  FlowCount sum;
  cache_.for_each([&](std::uint32_t flow) {
    if ((cache_.hot(flow).state & FlowState::empty) == 0) {
      sum.add(content_of(cache_.hot(flow)));
    }
  });
  return sum;
}

}  // namespace spanflow
