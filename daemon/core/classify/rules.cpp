// SPDX-License-Identifier: Apache-2.0
#include "classify/rules.hpp"

#include <algorithm>

namespace spanflow {
namespace {

char lower(char letter) noexcept {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

bool is_below(std::string_view name, std::string_view suffix) noexcept {
  if (name.ends_with('.')) {
    name.remove_suffix(1);
  }
  if (name.size() < suffix.size()) {
    return false;
  }
  const auto rest = name.size() - suffix.size();
  return (rest == 0 || name[rest - 1] == '.') && std::ranges::equal(name.substr(rest), suffix, {}, lower);
}

}  // namespace

bool Network::contains(const Address& other) const noexcept {
  auto left = static_cast<int>(prefix_length);
  for (std::size_t word = 0; word < 2 && left > 0; ++word, left -= 64) {
    const auto differs = __builtin_bswap64(address.words[word] ^ other.words[word]);
    if ((left >= 64 ? differs : differs >> (64 - left)) != 0) {
      return false;
    }
  }
  return true;
}

bool Rule::matches(const FlowKey& key, std::string_view server_name) const noexcept {
  const auto in_network = [&](const Network& network) {
    return network.contains(key.low) || network.contains(key.high);
  };
  const auto in_range = [&](const PortRange& range) {
    return (key.low_port() >= range.first && key.low_port() <= range.last) ||
           (key.high_port() >= range.first && key.high_port() <= range.last);
  };
  return (networks.empty() || std::ranges::any_of(networks, in_network)) &&
         (ports.empty() || std::ranges::any_of(ports, in_range)) &&
         (server_names.empty() || std::ranges::any_of(server_names, [&](const std::string& suffix) {
            return !server_name.empty() && is_below(server_name, suffix);
          }));
}

}  // namespace spanflow
