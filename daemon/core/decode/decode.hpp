// SPDX-License-Identifier: Apache-2.0
// From frame to packet (semantics §1), one layer after the other. Pure: octets in, a small value out.
#pragma once

#include <cstdint>

#include "decode/cursor.hpp"
#include "decode/packet.hpp"

namespace spanflow {

// Can frames of this link type be decoded at all?
[[nodiscard]] bool link_type_supported(std::uint16_t link_type) noexcept;

// Leaves the cursor at the network header. `packet.link` says which one it is.
[[nodiscard]] Discard decode_link(std::uint16_t link_type, Cursor& cursor, Link& link) noexcept;

// Leaves the cursor at the transport header, bounded by the length of the IP packet.
[[nodiscard]] Discard decode_network(Cursor& cursor, Packet& packet) noexcept;

// Ports, TCP flags, ICMP type and code.
[[nodiscard]] Discard decode_transport(Cursor& cursor, Packet& packet) noexcept;

// All of it.
[[nodiscard]] Discard decode_frame(const Frame& frame, Packet& packet) noexcept;

// Where the headers lie of a frame that decode_frame() takes: not kept with every packet, as hardly any is asked for
// it.
struct HeaderOffsets {
  std::uint64_t network = 0;    // in the frame
  std::uint64_t transport = 0;  // behind the beginning of the network header
};
[[nodiscard]] HeaderOffsets header_offsets(const Frame& frame) noexcept;

// Why a cursor stopped, as a reason to discard.
[[nodiscard]] inline Discard discard_of(const Cursor& cursor) noexcept {
  return cursor.shortage() == Cursor::Shortage::malformed ? Discard::malformed : Discard::truncated;
}

}  // namespace spanflow
