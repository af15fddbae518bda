// SPDX-License-Identifier: Apache-2.0
// For sanitizer builds: meters each file with 1, 2 and 4 workers, with an engine also classified; then every prefix of
// every frame, every truncation (`--truncate`) and seeded mutations (`--mutate N`) of the file. Fails when a sum does
// not add up or the worker counts disagree.
//   spanflow-replay [--engine SHIM] [--truncate] [--mutate N] FILE...
// Or gives a classifying worker the frames of each file: whole, cut to many snap lengths, and mutated. Behind a packet
// nothing can be read, so that a library which would do so is found out although no sanitizer instruments it.
//   spanflow-replay --engine SHIM --pieces [--mutate N] FILE...
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

#include "classify/engine_replay.hpp"
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

struct Wanted {
  bool truncate = false;
  bool pieces = false;
  int mutations = 0;
  std::string engine;  // empty: without classification
};

std::vector<Row> meter(const std::string& path, std::uint32_t workers, std::uint32_t max_flows,
                       const std::string& engine) {
  FileMeterOptions options;
  if (!engine.empty()) {
    options.metering = test::EngineReplay::options(engine);
  }
  options.workers = workers;
  options.metering.max_flows = max_flows;
  options.metering.max_fragments = 64;
  options.metering.first_packets = 5;
  FileMeter meter(options, {path});
  meter.start();
  std::vector<Row> rows;
  while (!meter.finished()) {
    meter.set_capacity(max_flows);  // what it is already, while workers read it
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

void meter_with_all_worker_counts(const std::string& path, const std::string& engine) {
  const auto one = meter(path, 1, 100'000, engine);
  for (const auto workers : {2U, 4U}) {
    if (meter(path, workers, 100'000, engine) != one) {
      fail(path, std::to_string(workers) + " workers give other records than one");
    }
  }
}

template <typename Use>
void for_each_frame(const std::string& path, Use use) {
  Problem problem;
  const std::atomic<bool> stop = false;
  const auto source = open_capture_file(path, stop, problem);
  std::array<Frame, 32> frames;
  for (std::size_t count = 0; source != nullptr && (count = source->next(frames)) != 0;) {
    for (const auto& frame : std::span(frames).first(count)) {
      use(frame);
    }
  }
}

// A copy of exactly the captured octets, so that a read past them is seen.
void decode_every_prefix(const std::string& path) {
  for_each_frame(path, [](const Frame& frame) {
    for (std::uint32_t captured = 0; captured <= std::min(frame.captured_octets, 256U); ++captured) {
      const std::vector<std::byte> octets(frame.data, frame.data + captured);
      auto prefix = frame;
      prefix.data = octets.data();
      prefix.captured_octets = captured;
      Packet packet;
      (void)decode_frame(prefix, packet);
    }
  });
}

// Whole; then as many snap lengths would have cut it, headers at every octet; then with octets changed behind the
// Ethernet header. After each of these all Flows leave.
void classify_pieces(const std::string& path, int mutations, test::EngineReplay& engine) {
  constexpr std::uint32_t kEthernet = 14;
  const auto finish = [&] {
    if (const auto fault = engine.finish(); !fault.empty()) {
      fail(path, fault);
    }
  };
  std::uint32_t longest = 0;
  for_each_frame(path, [&](const Frame& frame) {
    longest = std::max(longest, frame.captured_octets);
    engine.put(frame, frame.captured_octets);
  });
  finish();
  const auto step = [](std::uint32_t snap_length) { return snap_length < 128 ? 1U : snap_length < 400 ? 8U : 64U; };
  for (auto snap_length = kEthernet; snap_length < std::min(longest, 1600U); snap_length += step(snap_length)) {
    for_each_frame(path, [&](const Frame& frame) { engine.put(frame, std::min(frame.captured_octets, snap_length)); });
    finish();
  }
  std::mt19937 random(20'26);
  std::vector<std::byte> octets;
  for (int round = 0; round < mutations; ++round) {
    for_each_frame(path, [&](const Frame& frame) {
      octets.assign(frame.data, frame.data + frame.captured_octets);
      for (auto changes = random() % 6; changes > 0 && octets.size() > kEthernet; --changes) {
        octets[kEthernet + random() % (octets.size() - kEthernet)] = static_cast<std::byte>(random());
      }
      auto mutated = frame;
      mutated.data = octets.data();
      engine.put(mutated, mutated.captured_octets);
    });
    finish();
  }
}

void meter_octets(const std::string& name, const Bytes& octets, std::size_t size, const std::string& engine) {
  const int descriptor = memfd_create("replay", 0);
  if (descriptor < 0 || write(descriptor, octets.data(), size) != static_cast<ssize_t>(size)) {
    fail(name, "no memory file");
  }
  (void)meter("/proc/self/fd/" + std::to_string(descriptor), 1, 8, engine);
  close(descriptor);
}

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void mutate(const std::string& path, const Bytes& original, const Wanted& wanted) {
  std::mt19937 random(20'26);
  for (int round = 0; round < wanted.mutations; ++round) {
    auto octets = original;
    for (auto changes = 1 + random() % 8; changes > 0 && !octets.empty(); --changes) {
      octets[random() % octets.size()] = static_cast<char>(random());
    }
    meter_octets(path, octets, octets.size(), wanted.engine);
  }
}

void replay(const std::string& path, const Wanted& wanted) {
  meter_with_all_worker_counts(path, wanted.engine);
  decode_every_prefix(path);
  const auto octets = read_file(path);
  for (std::size_t size = 0; wanted.truncate && size < octets.size(); ++size) {
    meter_octets(path, octets, size, wanted.engine);
  }
  mutate(path, octets, wanted);
}

}  // namespace

int main(int count, char** arguments) {
  Wanted wanted;
  std::vector<std::string> paths;
  for (int index = 1; index < count; ++index) {
    const std::string argument = arguments[index];
    const auto value = [&]() -> std::string { return index + 1 < count ? arguments[++index] : ""; };
    if (argument == "--truncate") {
      wanted.truncate = true;
    } else if (argument == "--pieces") {
      wanted.pieces = true;
    } else if (argument == "--mutate") {
      wanted.mutations = std::atoi(value().c_str());
    } else if (argument == "--engine") {
      wanted.engine = value();
    } else {
      paths.push_back(argument);
    }
  }
  if (wanted.pieces) {
    // Opening an engine takes longer than most files: one for all.
    test::EngineReplay engine(wanted.engine);
    for (const auto& path : paths) {
      classify_pieces(path, wanted.mutations, engine);
    }
  } else {
    for (const auto& path : paths) {
      replay(path, wanted);
    }
  }
  std::printf("%zu files replayed\n", paths.size());
  return 0;
}
