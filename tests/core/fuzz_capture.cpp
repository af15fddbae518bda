// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any octets as a capture file. Allowed is that it is metered, or that a problem is told; nothing else.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "file_meter.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spanflow;
  const int descriptor = memfd_create("fuzz", 0);
  if (descriptor < 0 || write(descriptor, data, size) != static_cast<ssize_t>(size)) {
    return 0;
  }
  {
    FileMeterOptions options;
    options.metering.max_flows = 16;
    options.metering.max_fragments = 4;
    options.metering.first_packets = 3;
    FileMeter meter(options, {"/proc/self/fd/" + std::to_string(descriptor)});
    meter.start();
    while (!meter.finished()) {
      (void)meter.pop(std::chrono::milliseconds(1000));
    }
    const auto counters = meter.counters().front();
    if (counters.accounted.packets != counters.handed_over.packets || counters.cached_flows != 0) {
      std::abort();
    }
  }
  close(descriptor);
  return 0;
}
