// SPDX-License-Identifier: Apache-2.0
// For sanitizer builds: meters each file with 1, 2 and 4 workers, then every prefix of every frame, then every
// truncation (`--truncate`) and seeded mutations (`--mutate N`) of the file. Fails when a sum does not add up or the
// worker counts disagree.
//   spanflow-replay [--truncate] [--mutate N] FILE...
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "decode/decode.hpp"
#include "file_meter.hpp"

namespace {

using namespace spanflow;
using Bytes = std::vector<char>;

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", path.c_str(), what.c_str());
  std::exit(1);
}

// What must not depend on the number of workers, of one record.
using Row =
    std::tuple<std::uint64_t, std::int64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, EndDetail>;

std::vector<Row> meter(const std::string& path, std::uint32_t workers, std::uint32_t max_flows) {
  FileMeterOptions options;
  options.workers = workers;
  options.metering.max_flows = max_flows;
  options.metering.max_fragments = 64;
  FileMeter meter(options, {path});
  meter.start();
  std::vector<Row> rows;
  while (!meter.finished()) {
    if (const auto batch = meter.pop(std::chrono::milliseconds(1000))) {
      for (const auto& record : batch->records()) {
        rows.emplace_back(record.flow_id, record.forward.first_ns, record.forward.packet_delta_count,
                          record.forward.octet_delta_count, record.reverse.packet_delta_count,
                          record.reverse.octet_delta_count, record.end_detail);
      }
    }
  }
  if (!meter.failure().empty()) {
    fail(path, meter.failure());
  }
  for (const auto& counters : meter.counters()) {
    auto frames = counters.received.packets - counters.accounted_frames.packets;
    auto octets = counters.received.octets - counters.accounted_frames.octets;
    for (const auto& discarded : counters.discarded) {
      frames -= discarded.packets;
      octets -= discarded.octets;
    }
    if (frames != 0 || octets != 0 || counters.accounted.packets != counters.handed_over.packets ||
        counters.accounted.octets != counters.handed_over.octets || counters.cached_flows != 0) {
      fail(path, "the sums do not add up");
    }
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

void meter_with_all_worker_counts(const std::string& path) {
  const auto one = meter(path, 1, 100'000);
  for (const auto workers : {2U, 4U}) {
    if (meter(path, workers, 100'000) != one) {
      fail(path, std::to_string(workers) + " workers give other records than one");
    }
  }
}

// A copy of exactly the captured octets, so that a read past them is seen.
void decode_every_prefix(const std::string& path) {
  Problem problem;
  const std::atomic<bool> stop = false;
  const auto source = open_capture_file(path, stop, problem);
  std::array<Frame, 32> frames;
  for (std::size_t count = 0; source != nullptr && (count = source->next(frames)) != 0;) {
    for (const auto& frame : std::span(frames).first(count)) {
      for (std::uint32_t captured = 0; captured <= std::min(frame.captured_octets, 256U); ++captured) {
        const std::vector<std::byte> octets(frame.data, frame.data + captured);
        auto prefix = frame;
        prefix.data = octets.data();
        prefix.captured_octets = captured;
        Packet packet;
        (void)decode_frame(prefix, packet);
      }
    }
  }
}

void meter_octets(const std::string& name, const Bytes& octets, std::size_t size) {
  const int descriptor = memfd_create("replay", 0);
  if (descriptor < 0 || write(descriptor, octets.data(), size) != static_cast<ssize_t>(size)) {
    fail(name, "no memory file");
  }
  (void)meter("/proc/self/fd/" + std::to_string(descriptor), 1, 8);
  close(descriptor);
}

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void mutate(const std::string& path, const Bytes& original, int count) {
  std::mt19937 random(20'26);
  for (int round = 0; round < count; ++round) {
    auto octets = original;
    for (auto changes = 1 + random() % 8; changes > 0 && !octets.empty(); --changes) {
      octets[random() % octets.size()] = static_cast<char>(random());
    }
    meter_octets(path, octets, octets.size());
  }
}

}  // namespace

int main(int count, char** arguments) {
  bool truncate = false;
  int mutations = 0;
  int files = 0;
  for (int index = 1; index < count; ++index) {
    const std::string argument = arguments[index];
    if (argument == "--truncate") {
      truncate = true;
      continue;
    }
    if (argument == "--mutate") {
      mutations = index + 1 < count ? std::atoi(arguments[++index]) : 0;
      continue;
    }
    ++files;
    meter_with_all_worker_counts(argument);
    decode_every_prefix(argument);
    const auto octets = read_file(argument);
    for (std::size_t size = 0; truncate && size < octets.size(); ++size) {
      meter_octets(argument, octets, size);
    }
    mutate(argument, octets, mutations);
  }
  std::printf("%d files replayed\n", files);
  return 0;
}
