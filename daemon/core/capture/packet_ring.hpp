// SPDX-License-Identifier: Apache-2.0
// A TPACKET_V3 ring: blocks of memory that the kernel fills with frames and we read in place.
#pragma once

#include <linux/if_packet.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "capture/kernel_program.hpp"
#include "decode/packet.hpp"

namespace spanflow {

// Owner: one worker. Takes over an AF_PACKET socket that is bound to nothing, and closes it in the end; not if the
// constructor fails. Needs no capability: whoever opened the socket needed CAP_NET_RAW. Errors of the system are
// std::system_error, with what was attempted.
class PacketRing {
 public:
  // `octets` of memory, for frames of up to `snap_octets`. A block that is not full is handed over after
  // `block_timeout`.
  PacketRing(int socket, std::size_t octets, std::size_t snap_octets, std::chrono::milliseconds block_timeout);
  ~PacketRing();
  PacketRing(const PacketRing&) = delete;
  PacketRing& operator=(const PacketRing&) = delete;

  void attach(const KernelProgram& program);
  // Lets nothing in any more.
  void close_gate() noexcept;
  void bind(std::uint32_t interface_index);
  // The index of the interface that the socket is bound to; 0 when that has ceased to exist.
  [[nodiscard]] std::uint32_t bound_to() const;
  void set_promiscuous(std::uint32_t interface_index);
  void leave_promiscuous(std::uint32_t interface_index) noexcept;
  void ignore_outgoing();

  // Joins the fanout group, or makes one; returns its number, which may be 0. All members are on the same interface,
  // and worker n is the n-th to join. On loopback the group, too, has to be told to ignore outgoing copies.
  std::uint16_t join_fanout(std::optional<std::uint16_t> group, bool ignore_outgoing);
  void set_fanout_program(const KernelProgram& program);

  // The next frames of the current block. Tags that the kernel holds apart are put back. Frames that are longer than
  // `largest_frame`, or that the kernel calls so, are marked as merged.
  [[nodiscard]] std::size_t next(std::span<Frame> frames, std::uint16_t link_type, std::uint32_t largest_frame);

  // Returns when a block may be ready, when `wake` can be read, or after `timeout`.
  void wait(int wake, std::chrono::milliseconds timeout);

  // Since the last call.
  [[nodiscard]] tpacket_stats_v3 take_statistics();

  [[nodiscard]] int socket() const noexcept { return socket_; }

 private:
  [[nodiscard]] std::byte* block(std::size_t index) const noexcept { return memory_ + index * block_octets_; }
  [[nodiscard]] bool take_block() noexcept;
  void give_back() noexcept;
  static void put_tag_back(Frame& frame, std::byte* data, std::uint16_t tpid, std::uint16_t tci) noexcept;

  int socket_;
  std::size_t block_octets_ = 0;
  std::size_t blocks_ = 0;
  std::byte* memory_ = nullptr;
  std::size_t current_ = 0;
  bool held_ = false;       // the current block is ours
  std::uint32_t left_ = 0;  // frames of it that have not been read
  std::byte* packet_ = nullptr;
};

}  // namespace spanflow
