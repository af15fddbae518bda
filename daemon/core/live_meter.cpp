// SPDX-License-Identifier: Apache-2.0
#include "live_meter.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <numeric>
#include <span>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace spanflow {
namespace {

// What a packet may spend in a ring before we see it, or more: so far the timers stay behind the wall clock.
constexpr std::int64_t kLeastBehindNs = 100'000'000;

constexpr std::int64_t kLookEveryNs = 100'000'000;
constexpr std::chrono::milliseconds kLongestWait{100};
constexpr std::chrono::seconds kLongestDrain{5};

std::size_t workers_of(const std::vector<LiveInterface>& interfaces) {
  return std::accumulate(interfaces.begin(), interfaces.end(), std::size_t{0},
                         [](std::size_t sum, const auto& interface) { return sum + interface.sources.size(); });
}

}  // namespace

LiveMeter::LiveMeter(const LiveMeterOptions& options, std::vector<LiveInterface> interfaces)
    : Meter(options.queue_octets, workers_of(interfaces)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      timeouts_(options.metering.timeouts) {
  if (wake_ < 0) {
    throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  const auto workers = static_cast<std::uint32_t>(workers_of(interfaces));
  if (workers == 0 || workers > 255 || options.metering.max_flows < workers) {
    close(wake_);
    throw std::invalid_argument("1 to 255 workers, and at least one Flow for each");
  }
  auto metering = options.metering;
  metering.live = true;
  metering.own_exports = &own_exports_;
  std::uint32_t number = 0;
  for (std::size_t index = 0; index < interfaces.size(); ++index) {
    auto& interface = interfaces[index];
    metering.filter = interface.filter;
    const std::chrono::nanoseconds unseen = interface.sources.front()->settling_time();
    metering.reorder_window_ns = std::max(kLeastBehindNs, std::int64_t{unseen.count()});
    for (std::size_t of_interface = 0; of_interface < interface.sources.size(); ++of_interface, ++number) {
      add_worker(share_of(metering, number, workers), BatchQueue::WhenFull::drop);
      auto worker = std::make_unique<Worker>();
      worker->process = workers_.back().get();
      worker->source = std::move(interface.sources[of_interface]);
      worker->interface = index;
      worker->behind_ns = metering.reorder_window_ns;
      if (const auto link_type = worker->source->link_type(); link_type != 0) {
        worker->process->prepare_filter(link_type);
      }
      worker->thread_name = "cap " + interface.name.substr(0, 8) + " " + std::to_string(of_interface);
      publish(*worker);
      live_.push_back(std::move(worker));
    }
  }
}

LiveMeter::~LiveMeter() {
  stop();
  join();
  close(wake_);
}

void LiveMeter::start() {
  for (auto& worker : live_) {
    run_thread(
        worker->thread_name, [this, &worker = *worker] { run(worker); },
        [this, &worker = *worker] {
          worker.finished.store(true, std::memory_order_relaxed);
          producer_finished();
        });
  }
}

void LiveMeter::stop() noexcept {
  stop_.store(true, std::memory_order_relaxed);
  eventfd_write(wake_, 1);
}

void LiveMeter::set_timeouts(const Timeouts& timeouts) {
  const std::lock_guard lock(timeouts_mutex_);
  timeouts_ = timeouts;
  timeouts_version_.fetch_add(1, std::memory_order_release);
}

std::vector<WorkerState> LiveMeter::states() const {
  std::vector<WorkerState> all;
  for (const auto& worker : live_) {
    auto& state = all.emplace_back();
    state.interface = worker->interface;
    state.turns = worker->turns.load(std::memory_order_relaxed);
    state.finished = worker->finished.load(std::memory_order_relaxed);
    state.counters = worker->process->counters();
    const std::lock_guard lock(worker->mutex);
    state.capture = worker->published;
  }
  return all;
}

void LiveMeter::run(Worker& worker) {
  auto& process = *worker.process;
  process.set_first_interface(worker.source->first_interface());
  std::array<Frame, MeteringProcess::kBatch> frames;
  while (!stop_.load(std::memory_order_relaxed)) {
    worker.turns.fetch_add(1, std::memory_order_relaxed);
    // Before the ring is looked at: what is not in it then has been stamped later, up to what kBehindNs allows for.
    const auto now = read_clock(worker);
    const auto count = worker.source->next(frames);
    if (count > 0) {
      process.process(std::span(frames).first(count));
      process.expire(std::min(frames[count - 1].time_ns, now.wall_ns) - worker.behind_ns);
    } else {
      process.expire(now.wall_ns - worker.behind_ns);
    }
    if (now.steady_ns >= worker.next_look_ns) {
      look_after(worker, now);
    }
    if (count == 0) {
      worker.source->wait(wake_, kLongestWait);
    }
  }
  drain(worker);
}

Moment LiveMeter::read_clock(Worker& worker) const {
  const auto now = read_clocks();
  if (const auto step_ns = worker.clock.step(now); step_ns != 0) [[unlikely]] {
    worker.process->step_clock(step_ns);
  }
  return now;
}

// Ten times a second: everything that is not due with every packet.
void LiveMeter::look_after(Worker& worker, const Moment& now) {
  worker.next_look_ns = now.steady_ns + kLookEveryNs;
  if (const auto version = timeouts_version_.load(std::memory_order_acquire); version != worker.timeouts_version) {
    worker.timeouts_version = version;
    const std::lock_guard lock(timeouts_mutex_);
    worker.process->set_timeouts(timeouts_);
  }
  worker.source->look_after();
  if (worker.source->departed()) {
    // The kernel lets nothing in any more, but what is in may be more than one batch.
    std::array<Frame, MeteringProcess::kBatch> frames;
    for (std::size_t count = 0; (count = worker.source->next(frames)) > 0;) {
      worker.process->process(std::span(frames).first(count));
    }
    worker.process->finish(now.wall_ns - worker.behind_ns);
    worker.source->forget_interface();
  }
  worker.process->set_first_interface(worker.source->first_interface());
  worker.process->hand_over();
  publish(worker);
}

void LiveMeter::drain(Worker& worker) {
  auto& process = *worker.process;
  auto& source = *worker.source;
  source.close_gate();
  std::array<Frame, MeteringProcess::kBatch> frames;
  const auto settled = std::chrono::steady_clock::now() + source.settling_time();
  const auto last = settled + kLongestDrain;
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    const auto late = now >= settled;
    const auto count = source.next(frames);
    if (count > 0 && now < last) {
      process.process(std::span(frames).first(count));
    } else if (late) {
      break;  // also out of a device whose gate does not close
    } else {
      source.wait(-1, std::chrono::milliseconds{5});
    }
    worker.turns.fetch_add(1, std::memory_order_relaxed);
  }
  source.read_counts();
  publish(worker);
  process.wait_when_full();  // nothing arrives that a wait could make us lose
  process.finish(read_clock(worker).wall_ns - worker.behind_ns);
}

void LiveMeter::publish(Worker& worker) {
  const std::lock_guard lock(worker.mutex);
  worker.published = worker.source->state();
}

}  // namespace spanflow
