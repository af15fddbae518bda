// SPDX-License-Identifier: Apache-2.0
// Which packets are exports of ours, and which only look like them.
#include "capture/own_exports.hpp"

#include <doctest/doctest.h>

#include <cstdint>

using namespace spanflow;

namespace {

const Address kProbe = Address::mapped(0x0100000a);
const Address kCollector = Address::mapped(0xfa00000a);

Packet packet_of(std::uint8_t protocol, Address source, std::uint16_t source_port, Address destination,
                 std::uint16_t destination_port) {
  Packet packet;
  packet.protocol = protocol;
  packet.source = source;
  packet.destination = destination;
  packet.source_port = source_port;
  packet.destination_port = destination_port;
  return packet;
}

OwnExports::Table table_of(std::uint8_t protocol) {
  return OwnExports::Table({{.source = kProbe,
                             .destination = kCollector,
                             .source_port = 40000,
                             .destination_port = 4739,
                             .protocol = protocol}});
}

}  // namespace

TEST_CASE("what we send is ours by all of its 5-tuple") {
  for (const std::uint8_t protocol : {Protocol::udp, Protocol::tcp, Protocol::sctp}) {
    CAPTURE(protocol);
    const auto table = table_of(protocol);
    CHECK(table.contains(packet_of(protocol, kProbe, 40000, kCollector, 4739)));
    CHECK_FALSE(table.contains(packet_of(protocol, kProbe, 40001, kCollector, 4739)));
    CHECK_FALSE(table.contains(packet_of(protocol, kProbe, 40000, kCollector, 4740)));
    CHECK_FALSE(table.contains(packet_of(protocol, kCollector, 40000, kCollector, 4739)));
    CHECK_FALSE(table.contains(packet_of(protocol, kProbe, 40000, kProbe, 4739)));
    for (const std::uint8_t other : {Protocol::udp, Protocol::tcp, Protocol::sctp, Protocol::dccp}) {
      CHECK(table.contains(packet_of(other, kProbe, 40000, kCollector, 4739)) == (other == protocol));
    }
  }
}

TEST_CASE("of a stream what comes back is ours too, of UDP it is not") {
  for (const std::uint8_t protocol : {Protocol::udp, Protocol::tcp, Protocol::sctp}) {
    CAPTURE(protocol);
    const auto back = packet_of(protocol, kCollector, 4739, kProbe, 40000);
    CHECK(table_of(protocol).contains(back) == (protocol != Protocol::udp));
  }
}
