// SPDX-License-Identifier: Apache-2.0
// Where live frames come from: one socket or device, read by one worker.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "decode/packet.hpp"

namespace spanflow {

// Counts since the start; they never go back.
struct CaptureCounts {
  std::uint64_t kernel_received = 0;  // passed the kernel's filter, those with no room included
  std::uint64_t kernel_drops = 0;     // no room
  std::uint64_t freezes = 0;          // times that there was no room left at all
  std::uint64_t appearances = 0;      // times that the interface was bound
};

struct CaptureState {
  std::uint32_t interface_index = 0;  // 0: there is no such interface now
  bool bound = false;
  bool up = false;
  CaptureCounts counts;
  std::string last_error;
};

// Owner: one worker.
class LiveSource {
 public:
  LiveSource() = default;
  virtual ~LiveSource() = default;
  LiveSource(const LiveSource&) = delete;
  LiveSource& operator=(const LiveSource&) = delete;

  // The next frames, in order; they stay valid until the next call. 0: none has arrived.
  [[nodiscard]] virtual std::size_t next(std::span<Frame> frames) = 0;

  // Returns when frames may have arrived, when `wake` can be read, or after `timeout`.
  virtual void wait(int wake, std::chrono::milliseconds timeout) = 0;

  // To be called every now and then: follows the interface as it comes and goes, and reads the kernel's counts.
  virtual void look_after() = 0;
  virtual void read_counts() = 0;

  // The interface is gone, and what came over it has been read: its Flows are to leave before another one is bound.
  [[nodiscard]] virtual bool departed() const noexcept = 0;
  // They have left.
  virtual void forget_interface() = 0;

  // Lets no more frames in. Those that are in can still be read, after up to settling_time(): so long may a frame that
  // has been stamped stay out of sight.
  virtual void close_gate() noexcept = 0;
  [[nodiscard]] virtual std::chrono::milliseconds settling_time() const noexcept = 0;

  // LINKTYPE_ number of its frames; 0 while it has no interface.
  [[nodiscard]] virtual std::uint16_t link_type() const noexcept = 0;
  [[nodiscard]] virtual const CaptureState& state() const noexcept = 0;
  // Added to a frame's capture port it gives the exported ingressInterface.
  [[nodiscard]] virtual std::uint32_t first_interface() const noexcept = 0;
};

}  // namespace spanflow
