// SPDX-License-Identifier: Apache-2.0
// Which worker meters a packet.
#pragma once

#include <cstdint>

#include "decode/packet.hpp"

namespace spanflow {

// The exclusive or of all 32-bit words of both IP addresses, folded: both directions of a Flow and all its fragments
// meet. Exactly what a classic BPF program can compute, so that the kernel can deal live packets in the same way. What
// is not IP goes to worker 0.
[[nodiscard]] std::uint32_t worker_of(const Frame& frame, std::uint32_t workers) noexcept;

}  // namespace spanflow
