// SPDX-License-Identifier: Apache-2.0
// libFuzzer: the frames of any octets that are a capture file, decoded and classified by SPANFLOW_FUZZ_ENGINE. Each
// frame ends where memory ends. Allowed is that sums hold, nothing is left and details are clean text; nothing else.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "capture/source.hpp"
#include "classify/engine_replay.hpp"

namespace {

// Opening an engine takes longer than a run: one for all. What it remembers of hosts is not part of an input.
spanflow::test::EngineReplay& replay() {
  static spanflow::test::EngineReplay instance(SPANFLOW_FUZZ_ENGINE);
  return instance;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spanflow;
  const int descriptor = memfd_create("fuzz", 0);
  if (descriptor < 0 || write(descriptor, data, size) != static_cast<ssize_t>(size)) {
    return 0;
  }
  Problem problem;
  const std::atomic<bool> stop = false;
  const auto source = open_capture_file("/proc/self/fd/" + std::to_string(descriptor), stop, problem);
  std::array<Frame, 32> frames;
  for (std::size_t count = 0; source != nullptr && (count = source->next(frames)) != 0;) {
    for (const auto& frame : std::span(frames).first(count)) {
      replay().put(frame, frame.captured_octets);
    }
  }
  close(descriptor);
  if (const auto fault = replay().finish(); !fault.empty()) {
    std::fprintf(stderr, "%s\n", fault.c_str());
    std::abort();
  }
  return 0;
}
