// SPDX-License-Identifier: Apache-2.0
// What the kernel says of a network interface.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace spanflow {

struct NetworkDevice {
  std::uint32_t index;
  bool up;
  std::uint32_t mtu;
  bool loopback;
  // LINKTYPE_ number of its frames: Ethernet or raw IP; 0 for one that a packet socket gives no frames of that we know.
  std::uint16_t link_type;
};

// Asked through any socket; no capability is needed. Empty when there is no such interface.
[[nodiscard]] std::optional<NetworkDevice> find_network_device(int socket, const std::string& name);

}  // namespace spanflow
