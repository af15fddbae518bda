// SPDX-License-Identifier: Apache-2.0
// Applications of the user's own, told by address, port and server name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cache/flow_key.hpp"

namespace spanflow {

// Either end may lie in it.
struct Network {
  Address address;
  std::uint8_t prefix_length = 128;  // of the 16 octets

  [[nodiscard]] bool contains(const Address& other) const noexcept;
};

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
};

// Matches when each kind of condition that it has is met by one of its values.
struct Rule {
  std::string name;
  std::vector<Network> networks;
  std::vector<PortRange> ports;
  std::vector<std::string> server_names;  // in lower case; a name matches itself and everything below it

  // server_name: empty when none was seen.
  [[nodiscard]] bool matches(const FlowKey& key, std::string_view server_name) const noexcept;
};

}  // namespace spanflow
