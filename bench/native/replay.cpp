// SPDX-License-Identifier: Apache-2.0
// The engine alone: makes the calls of a trace again, in a loop that does nothing else, and times them.
//   replay ENGINE TRACE
// The calls are read 256 KiB at a time, as the core reads a file, so that packets are as warm as there; reading is
// not in the time. Flows have the places that they had. Prints one JSON line.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <vector>

#include "engine_trace.hpp"
#include "load_engine.hpp"
#include "memory_region.hpp"

using bench::Call;
using bench::CallHead;
using bench::fail;

namespace {

constexpr std::size_t kChunk = std::size_t{256} << 10;

double thread_cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

class Replay {
 public:
  Replay(const spanflow_classifier& shim, spanflow_engine* engine, const bench::TraceHead& head)
      : shim_(shim), engine_(engine), stride_(head.stride), flows_(head.slots * head.stride) {}

  // Returns how many octets of calls it made: all that are whole.
  std::size_t run(const std::uint8_t* data, std::size_t octets) {
    std::size_t at = 0;
    while (octets - at >= sizeof(CallHead)) {
      CallHead head;
      std::memcpy(&head, data + at, sizeof head);
      const bool followed = head.call == Call::inspect || head.call == Call::guess;
      const auto length = sizeof head + (followed ? bench::filled_up(head.octets) : 0);
      if (length > octets - at) {
        break;
      }
      make(head, data + at + sizeof head);
      at += length;
    }
    return at;
  }

  [[nodiscard]] std::uint64_t digest() const { return digest_.value(); }

 private:
  void make(const CallHead& head, const std::uint8_t* data) {
    void* flow = &flows_[head.slot * stride_];
    switch (head.call) {
      case Call::begin_flow: shim_.begin_flow(engine_, flow); return;
      case Call::end_flow: shim_.end_flow(engine_, flow); return;
      case Call::inspect: {
        const spanflow_packet packet{.network = data,
                                     .octets = head.octets,
                                     .time_ms = head.time_ms,
                                     .from_server = head.from_server,
                                     .seen_beginning = head.seen_beginning};
        shim_.inspect(engine_, flow, &packet, &verdict_);
        digest_.add(verdict_);
        return;
      }
      case Call::give_up:
        shim_.give_up(engine_, flow, &verdict_);
        digest_.add(verdict_);
        return;
      case Call::guess: {
        spanflow_ends ends;
        std::memcpy(&ends, data, sizeof ends);
        shim_.guess(engine_, &ends, &verdict_);
        digest_.add(verdict_);
        return;
      }
      case Call::detail:
        digest_.add(shim_.detail(engine_, flow, static_cast<spanflow_detail>(head.kind), text_, head.octets));
        return;
    }
  }

  const spanflow_classifier& shim_;
  spanflow_engine* engine_;
  std::size_t stride_;
  spanflow::Region<std::uint8_t> flows_;  // fresh, in huge pages where the core has them
  bench::Digest digest_;
  spanflow_verdict verdict_{};
  char text_[256] = {};
};

void print(const bench::TraceHead& head, double seconds, double cpu, bool same) {
  std::printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"same_answers\": %s", seconds, cpu, same ? "true" : "false");
  for (std::size_t call = 0; call < head.calls.size(); ++call) {
    std::printf(", \"%s\": %" PRIu64, bench::kCallNames[call], head.calls[call]);
  }
  std::printf(", \"flow_octets\": %" PRIu64 ", \"most_flows\": %" PRIu64 ", \"most_allocated\": %" PRId64
              ", \"flows_then\": %" PRIu64 ", \"detail_octets\": %" PRIu64 "}\n",
              head.stride, head.most_flows, head.most_allocated, head.flows_then, head.detail_octets);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: replay ENGINE TRACE\n");
    return 64;
  }
  const auto& shim = bench::load_engine(arguments[1]);
  const int trace = open(arguments[2], O_RDONLY | O_CLOEXEC);
  bench::TraceHead head;
  if (trace < 0 || read(trace, &head, sizeof head) != sizeof head || head.magic != bench::TraceHead::kMagic) {
    fail(arguments[2], "is not a whole trace");
  }
  char error[512] = {};
  auto* engine = shim.open(nullptr, error, sizeof error);
  if (engine == nullptr) {
    fail(arguments[1], error);
  }
  Replay replay(shim, engine, head);
  std::vector<std::uint8_t> buffer(kChunk + (std::size_t{128} << 10));  // a chunk and a call that is not whole
  std::size_t held = 0;
  std::chrono::steady_clock::duration time{};
  double cpu = 0;
  std::uint64_t made = 0;
  for (;;) {
    const auto octets = read(trace, buffer.data() + held, kChunk);
    if (octets <= 0) {
      break;
    }
    held += static_cast<std::size_t>(octets);
    const auto cpu_before = thread_cpu_seconds();
    const auto begin = std::chrono::steady_clock::now();
    const auto done = replay.run(buffer.data(), held);
    time += std::chrono::steady_clock::now() - begin;
    cpu += thread_cpu_seconds() - cpu_before;
    made += done;
    held -= done;
    std::memmove(buffer.data(), buffer.data() + done, held);
  }
  close(trace);
  if (made != head.octets) {
    fail(arguments[2], "ends too early");
  }
  print(head, std::chrono::duration<double>(time).count(), cpu, replay.digest() == head.digest);
  shim.close(engine);
  return 0;
}
