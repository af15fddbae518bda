// SPDX-License-Identifier: Apache-2.0
// The core alone: files in, records counted and dropped. Prints one JSON line.
//   spanflow-core-bench [--workers N] [--active S] [--inactive S] [--max-flows N] FILE...
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "file_meter.hpp"

int main(int count, char** arguments) {
  using namespace spanflow;
  FileMeterOptions options;
  options.metering.secret = HashSecret{{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0xd6e8feb86659fd93,
                                        0xa0761d6478bd642f, 0xe7037ed1a0b428db}};
  options.metering.timeouts.active_ns = 120'000'000'000;
  options.metering.timeouts.inactive_ns = 60'000'000'000;
  options.metering.max_flows = 1U << 22;
  std::vector<std::string> paths;
  for (int index = 1; index < count; ++index) {
    const std::string argument = arguments[index];
    const auto number = [&] { return index + 1 < count ? std::atoll(arguments[++index]) : 0; };
    if (argument == "--workers") {
      options.workers = static_cast<std::uint32_t>(number());
    } else if (argument == "--active") {
      options.metering.timeouts.active_ns = number() * 1'000'000'000;
    } else if (argument == "--inactive") {
      options.metering.timeouts.inactive_ns = number() * 1'000'000'000;
    } else if (argument == "--max-flows") {
      options.metering.max_flows = static_cast<std::uint32_t>(number());
    } else {
      paths.push_back(argument);
    }
  }
  if (paths.empty()) {
    std::fprintf(stderr,
                 "usage: spanflow-core-bench [--workers N] [--active S] [--inactive S] [--max-flows N] FILE...\n");
    return 64;
  }
  FileMeter meter(options, paths);
  const auto begin = std::chrono::steady_clock::now();
  meter.start();
  std::uint64_t records = 0;
  while (!meter.finished()) {
    if (const auto batch = meter.pop(std::chrono::milliseconds(100))) {
      records += batch->size();
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  Counters sum;
  for (const auto& counters : meter.counters()) {
    sum.received.packets += counters.received.packets;
    sum.handed_over.add(counters.handed_over);
    sum.flows_opened += counters.flows_opened;
  }
  for (const auto& [path, problem] : meter.problems()) {
    std::fprintf(stderr, "%s: %s\n", path.c_str(), problem.text.c_str());
  }
  std::printf("{\"packets\": %" PRIu64 ", \"seconds\": %.6f, \"ns_per_packet\": %.2f, \"flows\": %" PRIu64
              ", \"records\": %" PRIu64 ", \"octets\": %" PRIu64 "}\n",
              sum.received.packets, seconds.count(),
              seconds.count() * 1e9 / static_cast<double>(sum.received.packets > 0 ? sum.received.packets : 1),
              sum.flows_opened, records, sum.handed_over.octets);
  return 0;
}
