// SPDX-License-Identifier: Apache-2.0
// The core alone: files in, records counted and dropped. Prints one JSON line.
//   spanflow-core-bench [--workers N] [--active S] [--inactive S] [--max-flows N] [--first-packets N] FILE...
// With classification (the budgets and bounds not named are those of the settings):
//   ... --engine SHIM [--tcp-packets N] [--udp-packets N] [--other-packets N] [--dpi-flows N] [--dpi-memory MIB]
//   --applications also counts the records of each application, and polls the memory of the detection.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "file_meter.hpp"

namespace {

using namespace spanflow;

struct Arguments {
  FileMeterOptions options;
  std::vector<std::string> paths;
  bool applications = false;
};

Arguments parse(int count, char** arguments) {
  Arguments parsed;
  auto& metering = parsed.options.metering;
  metering.secret = HashSecret{{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0xd6e8feb86659fd93,
                                0xa0761d6478bd642f, 0xe7037ed1a0b428db}};
  metering.timeouts.active_ns = 120'000'000'000;
  metering.timeouts.inactive_ns = 60'000'000'000;
  metering.max_flows = 1U << 22;
  ClassificationOptions classification;
  for (int index = 1; index < count; ++index) {
    const std::string argument = arguments[index];
    const auto number = [&] { return index + 1 < count ? std::atoll(arguments[++index]) : 0; };
    if (argument == "--workers") {
      parsed.options.workers = static_cast<std::uint32_t>(number());
    } else if (argument == "--active") {
      metering.timeouts.active_ns = number() * 1'000'000'000;
    } else if (argument == "--inactive") {
      metering.timeouts.inactive_ns = number() * 1'000'000'000;
    } else if (argument == "--max-flows") {
      metering.max_flows = static_cast<std::uint32_t>(number());
    } else if (argument == "--first-packets") {
      metering.first_packets = static_cast<std::uint32_t>(number());
    } else if (argument == "--engine") {
      classification.shim = index + 1 < count ? arguments[++index] : "";
    } else if (argument == "--tcp-packets") {
      classification.tcp_packets = static_cast<std::uint8_t>(number());
    } else if (argument == "--udp-packets") {
      classification.udp_packets = static_cast<std::uint8_t>(number());
    } else if (argument == "--other-packets") {
      classification.other_packets = static_cast<std::uint8_t>(number());
    } else if (argument == "--dpi-flows") {
      classification.max_flows = static_cast<std::uint32_t>(number());
    } else if (argument == "--dpi-memory") {
      classification.memory_octets = static_cast<std::size_t>(number()) << 20;
    } else if (argument == "--applications") {
      parsed.applications = true;
    } else {
      parsed.paths.push_back(argument);
    }
  }
  if (!classification.shim.empty()) {
    metering.classification = classification;
  }
  return parsed;
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

Counters sum_of(const FileMeter& meter) {
  Counters sum;
  for (const auto& counters : meter.counters()) {
    sum.received.packets += counters.received.packets;
    sum.handed_over.add(counters.handed_over);
    sum.flows_opened += counters.flows_opened;
    auto& dpi = sum.classification;
    const auto& of_worker = counters.classification;
    dpi.under_detection += of_worker.under_detection;
    dpi.memory_octets += of_worker.memory_octets;
    dpi.inspected_packets += of_worker.inspected_packets;
    dpi.detected += of_worker.detected;
    dpi.given_up += of_worker.given_up;
    dpi.guessed += of_worker.guessed;
    dpi.refused_flows += of_worker.refused_flows;
    dpi.refused_memory += of_worker.refused_memory;
    dpi.dropped_details += of_worker.dropped_details;
  }
  return sum;
}

void print_classification(const ClassificationCounters& dpi, const ClassificationCounters& most) {
  std::printf(", \"classification\": {\"inspected_packets\": %" PRIu64 ", \"detected\": %" PRIu64
              ", \"given_up\": %" PRIu64 ", \"guessed\": %" PRIu64 ", \"refused_flows\": %" PRIu64
              ", \"refused_memory\": %" PRIu64 ", \"dropped_details\": %" PRIu64 ", \"most_under_detection\": %" PRIu64
              ", \"most_memory_octets\": %" PRIu64 "}",
              dpi.inspected_packets, dpi.detected, dpi.given_up, dpi.guessed, dpi.refused_flows, dpi.refused_memory,
              dpi.dropped_details, most.under_detection, most.memory_octets);
}

void print_applications(const std::map<std::uint16_t, std::uint64_t>& records) {
  std::printf(", \"applications\": {");
  const char* separator = "";
  for (const auto& [application, count] : records) {
    std::printf("%s\"%u\": %" PRIu64, separator, static_cast<unsigned>(application), count);
    separator = ", ";
  }
  std::printf("}");
}

int run(const Arguments& arguments) {
  FileMeter meter(arguments.options, arguments.paths);
  std::uint64_t records = 0;
  std::map<std::uint16_t, std::uint64_t> applications;
  ClassificationCounters most;
  const auto wait = std::chrono::milliseconds(arguments.applications ? 5 : 100);
  const auto cpu_before = cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  meter.start();
  while (!meter.finished()) {
    const auto batch = meter.pop(wait);
    if (batch != nullptr) {
      records += batch->size();
    }
    if (arguments.applications) {
      const auto now = sum_of(meter).classification;
      most.under_detection = std::max(most.under_detection, now.under_detection);
      most.memory_octets = std::max(most.memory_octets, now.memory_octets);
      for (std::size_t index = 0; batch != nullptr && index < batch->size(); ++index) {
        ++applications[batch->records()[index].application];
      }
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const auto cpu = cpu_seconds() - cpu_before;
  const auto sum = sum_of(meter);
  for (const auto& [path, problem] : meter.problems()) {
    std::fprintf(stderr, "%s: %s\n", path.c_str(), problem.text.c_str());
  }
  std::printf("{\"packets\": %" PRIu64
              ", \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"ns_per_packet\": %.2f"
              ", \"flows\": %" PRIu64 ", \"records\": %" PRIu64 ", \"octets\": %" PRIu64,
              sum.received.packets, seconds.count(), cpu,
              seconds.count() * 1e9 / static_cast<double>(std::max<std::uint64_t>(sum.received.packets, 1)),
              sum.flows_opened, records, sum.handed_over.octets);
  if (arguments.options.metering.classification) {
    print_classification(sum.classification, most);
  }
  if (arguments.applications) {
    print_applications(applications);
  }
  std::printf("}\n");
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const auto parsed = parse(count, arguments);
  if (parsed.paths.empty()) {
    std::fprintf(stderr,
                 "usage: spanflow-core-bench [--workers N] [--active S] [--inactive S] [--max-flows N]\n"
                 "         [--first-packets N]\n"
                 "         [--engine SHIM [--tcp-packets N] [--udp-packets N] [--other-packets N] [--dpi-flows N]\n"
                 "         [--dpi-memory MIB]] [--applications] FILE...\n");
    return 64;
  }
  try {
    return run(parsed);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "spanflow-core-bench: %s\n", error.what());
    return 69;
  }
}
