// SPDX-License-Identifier: Apache-2.0
// What the kernel runs on every frame before it reaches a ring: classic BPF, put together here.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <vector>

namespace spanflow {

using KernelProgram = std::vector<sock_filter>;

// What a ring takes in.
struct Admission {
  std::string filter;         // pcap-filter(7); empty: everything
  std::uint32_t snap_octets;  // of each frame
  std::uint16_t link_type;    // LINKTYPE_ number: Ethernet, or raw IP
  std::uint32_t workers = 1;  // that share the interface, without a fanout group
  std::uint32_t worker = 0;   // whose share this is
};

// Nothing passes: the gate of a socket that is not ready yet, or no more.
[[nodiscard]] KernelProgram closed_gate();

// Frames that the filter rejects are not copied into the ring. One whose VLAN tag the kernel holds apart passes all the
// same: a filter would see another frame here than the wire had; PacketFilter decides when the tag has been put back.
// Where a filter is too long or does not compile, everything passes, and PacketFilter alone decides.
[[nodiscard]] KernelProgram admission(const Admission& options);

// For PACKET_FANOUT_CBPF: the number that worker_of() folds, which the kernel divides by the number of workers. Found
// from the link header on, where there is one: of frames that this host sends the kernel does not always know where the
// network header is. Tags that it holds apart do not matter; up to 8 more are walked. What is neither IPv4 nor IPv6
// behind tags goes to worker 0.
[[nodiscard]] KernelProgram fanout_program(std::uint16_t link_type);

}  // namespace spanflow
