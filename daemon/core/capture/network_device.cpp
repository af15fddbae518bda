// SPDX-License-Identifier: Apache-2.0
#include "capture/network_device.hpp"

#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>

namespace spanflow {
namespace {

constexpr std::uint16_t kLinkTypeEthernet = 1;
constexpr std::uint16_t kLinkTypeRaw = 101;
constexpr int kArpRawIp = 519;  // ARPHRD_RAWIP, not in every C library

std::uint16_t link_type_of(int hardware) {
  switch (hardware) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK: return kLinkTypeEthernet;
    case ARPHRD_NONE:
    case kArpRawIp: return kLinkTypeRaw;
    default: return 0;
  }
}

}  // namespace

std::optional<NetworkDevice> find_network_device(int socket, const std::string& name) {
  ifreq request{};
  if (name.size() >= sizeof request.ifr_name) {
    return std::nullopt;
  }
  const auto ask = [&](unsigned long what) {
    name.copy(request.ifr_name, sizeof request.ifr_name - 1);
    return ioctl(socket, what, &request) == 0;
  };
  NetworkDevice device{};
  if (!ask(SIOCGIFINDEX)) {
    return std::nullopt;
  }
  device.index = static_cast<std::uint32_t>(request.ifr_ifindex);
  if (!ask(SIOCGIFFLAGS)) {
    return std::nullopt;
  }
  device.up = (request.ifr_flags & IFF_UP) != 0;
  device.loopback = (request.ifr_flags & IFF_LOOPBACK) != 0;
  if (!ask(SIOCGIFMTU)) {
    return std::nullopt;
  }
  device.mtu = static_cast<std::uint32_t>(request.ifr_mtu);
  if (!ask(SIOCGIFHWADDR)) {
    return std::nullopt;
  }
  device.link_type = link_type_of(request.ifr_hwaddr.sa_family);
  return device;
}

}  // namespace spanflow
