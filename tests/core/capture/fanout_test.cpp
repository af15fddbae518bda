// SPDX-License-Identifier: Apache-2.0
#include "capture/fanout.hpp"

#include <doctest/doctest.h>

#include <array>

#include "octets.hpp"

using namespace spanflow;
using spanflow::test::hex;
using spanflow::test::Octets;

namespace {

std::uint32_t worker(const Octets& octets, std::uint32_t workers) {
  return worker_of(Frame{.data = octets.data(),
                         .captured_octets = static_cast<std::uint32_t>(octets.size()),
                         .wire_octets = static_cast<std::uint32_t>(octets.size()),
                         .link_type = 101},
                   workers);
}

}  // namespace

TEST_CASE("both directions and all fragments of an address pair meet, and pairs spread") {
  std::array<int, 4> shares{};
  for (unsigned host = 0; host < 256; ++host) {
    auto there = hex("45000014 00000000 40110000 0a000000 c6120001");
    there[15] = static_cast<std::byte>(host);
    auto back = hex("45000014 00002001 40110000 c6120001 0a000000");
    back[19] = static_cast<std::byte>(host);
    const auto owner = worker(there, 4);
    CHECK(worker(back, 4) == owner);
    shares[owner] += 1;
  }
  for (const auto share : shares) {
    CHECK(share == 64);
  }
}

TEST_CASE("what is not IP, or is cut, goes to worker 0") {
  CHECK(worker(hex("00"), 4) == 0);
  CHECK(worker({}, 4) == 0);
  CHECK(worker(hex("45000014 00000000"), 4) == 0);
}
