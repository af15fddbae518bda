// SPDX-License-Identifier: Apache-2.0
// The engine alone: makes the calls of a trace again, in a loop that does nothing else, and times them.
//   replay ENGINE TRACE           the packets come one behind the other, from the trace
//   replay ENGINE TRACE CAPTURE   they lie where they lie in the capture, as for the core
// The file with the packets is read 256 KiB at a time, as the core does; reading is not in the time. Flows have the
// places that they had. Prints one JSON line.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <span>
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

  // data: the packet (inspect) or the ends (guess).
  void make(const CallHead& head, const std::uint8_t* data) {
    void* flow = head.call == Call::guess ? nullptr : &flows_[head.slot * stride_];
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

  [[nodiscard]] std::uint64_t digest() const { return digest_.value(); }

 private:
  const spanflow_classifier& shim_;
  spanflow_engine* engine_;
  std::size_t stride_;
  spanflow::Region<std::uint8_t> flows_;  // fresh, in huge pages where the core has them
  bench::Digest digest_;
  spanflow_verdict verdict_{};
  char text_[256] = {};
};

bool is_followed(Call call) { return call == Call::inspect || call == Call::guess; }

struct Time {
  double seconds = 0;
  double cpu = 0;
};

// Reads a file in chunks. make(octets at hand) makes what calls it can and says how many octets are done with.
template <typename Make>
Time run_through(int file, Make make) {
  std::vector<std::uint8_t> buffer(kChunk + (std::size_t{128} << 10));  // a chunk, and a packet that is not whole
  std::size_t held = 0;
  Time time;
  for (;;) {
    const auto octets = read(file, buffer.data() + held, kChunk);
    if (octets <= 0) {
      return time;
    }
    held += static_cast<std::size_t>(octets);
    const auto cpu = thread_cpu_seconds();
    const auto begin = std::chrono::steady_clock::now();
    const std::size_t done = make(std::span<const std::uint8_t>(buffer.data(), held));
    time.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    time.cpu += thread_cpu_seconds() - cpu;
    held -= done;
    std::memmove(buffer.data(), buffer.data() + done, held);
  }
}

// The packets as they come in the trace.
Time run_trace(Replay& replay, int trace, std::uint64_t octets) {
  std::uint64_t made = 0;
  const auto time = run_through(trace, [&](std::span<const std::uint8_t> data) {
    std::size_t at = 0;
    while (data.size() - at >= sizeof(CallHead)) {
      CallHead head;
      std::memcpy(&head, data.data() + at, sizeof head);
      const auto length = sizeof head + (is_followed(head.call) ? bench::filled_up(head.octets) : 0);
      if (length > data.size() - at) {
        break;
      }
      replay.make(head, data.data() + at + sizeof head);
      at += length;
    }
    made += at;
    return at;
  });
  if (made != octets) {
    fail("replay", "the trace ends too early");
  }
  return time;
}

// A call, and where in the capture its packet is. Of other calls: where the packet before them ends.
struct Placed {
  CallHead head;  // guess: `slot` is a place in Calls::ends
  std::uint64_t offset;
};

struct Calls {
  std::vector<Placed> placed;
  std::vector<spanflow_ends> ends;
};

class Mapped {
 public:
  explicit Mapped(const char* path) : file_(open(path, O_RDONLY | O_CLOEXEC)) {
    octets_ = static_cast<std::size_t>(std::max<off_t>(lseek(file_, 0, SEEK_END), 0));
    lseek(file_, 0, SEEK_SET);
    data_ = mmap(nullptr, octets_, PROT_READ, MAP_PRIVATE, file_, 0);
    if (file_ < 0 || data_ == MAP_FAILED) {
      fail(path, "cannot be read");
    }
  }
  ~Mapped() { munmap(data_, octets_); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  [[nodiscard]] std::span<const std::uint8_t> octets() const {
    return {static_cast<const std::uint8_t*>(data_), octets_};
  }
  [[nodiscard]] int file() const { return file_; }

 private:
  int file_;
  std::size_t octets_ = 0;
  void* data_ = nullptr;
};

// Packets are inspected in the order of the capture, so each is searched from the one before on. A classic pcap file of
// whole Ethernet frames, in this machine's byte order.
Calls place_calls(std::span<const std::uint8_t> trace, std::span<const std::uint8_t> capture) {
  constexpr std::size_t kFileHeader = 24;
  constexpr std::size_t kRecordHeader = 16;
  constexpr std::size_t kEthernet = 14;
  Calls calls;
  std::size_t record = kFileHeader;
  std::uint64_t offset = kFileHeader;
  for (std::size_t at = sizeof(bench::TraceHead); at < trace.size();) {
    CallHead head;
    std::memcpy(&head, &trace[at], sizeof head);
    const auto* data = &trace[at] + sizeof head;
    at += sizeof head + (is_followed(head.call) ? bench::filled_up(head.octets) : 0);
    if (head.call == Call::guess) {
      head.slot = static_cast<std::uint32_t>(calls.ends.size());
      std::memcpy(&calls.ends.emplace_back(), data, sizeof(spanflow_ends));
    }
    if (head.call != Call::inspect) {
      calls.placed.push_back({head, offset});
      continue;
    }
    for (;;) {
      if (record + kRecordHeader > capture.size()) {
        fail("replay", "a packet of the trace is not in the capture");
      }
      std::uint32_t captured = 0;
      std::memcpy(&captured, &capture[record + 8], sizeof captured);
      const auto packet = record + kRecordHeader + kEthernet;
      record += kRecordHeader + captured;
      if (captured >= kEthernet + head.octets && std::memcmp(&capture[packet], data, head.octets) == 0) {
        calls.placed.push_back({head, packet});
        offset = packet + head.octets;
        break;
      }
    }
  }
  return calls;
}

Time run_capture(Replay& replay, const char* trace_path, const char* capture_path) {
  const Mapped trace(trace_path);
  const Mapped capture(capture_path);
  const auto calls = place_calls(trace.octets(), capture.octets());
  std::size_t next = 0;
  std::uint64_t passed = 0;  // octets of the capture in front of the buffer
  const auto time = run_through(capture.file(), [&](std::span<const std::uint8_t> data) {
    auto done = data.size();
    for (; next < calls.placed.size(); ++next) {
      const auto& [head, offset] = calls.placed[next];
      const auto at = offset - passed;
      const auto needed = head.call == Call::inspect ? head.octets : 0;
      if (at + needed > data.size()) {
        done = std::min<std::size_t>(at, data.size());
        break;
      }
      if (head.call == Call::guess) {
        replay.make(head, reinterpret_cast<const std::uint8_t*>(&calls.ends[head.slot]));
      } else {
        replay.make(head, data.data() + at);
      }
    }
    passed += done;
    return done;
  });
  if (next != calls.placed.size()) {
    fail("replay", "the capture ends too early");
  }
  return time;
}

void print(const bench::TraceHead& head, const Time& time, bool same) {
  std::printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"same_answers\": %s", time.seconds, time.cpu,
              same ? "true" : "false");
  for (std::size_t call = 0; call < head.calls.size(); ++call) {
    std::printf(", \"%s\": %" PRIu64, bench::kCallNames[call], head.calls[call]);
  }
  std::printf(", \"flow_octets\": %" PRIu64 ", \"most_flows\": %" PRIu64 ", \"most_allocated\": %" PRId64
              ", \"flows_then\": %" PRIu64 ", \"detail_octets\": %" PRIu64 "}\n",
              head.stride, head.most_flows, head.most_allocated, head.flows_then, head.detail_octets);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3 && count != 4) {
    std::fprintf(stderr, "usage: replay ENGINE TRACE [CAPTURE]\n");
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
  const auto time =
      count == 3 ? run_trace(replay, trace, head.octets) : run_capture(replay, arguments[2], arguments[3]);
  print(head, time, replay.digest() == head.digest);
  shim.close(engine);
  close(trace);
  return 0;
}
