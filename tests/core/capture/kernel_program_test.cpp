// SPDX-License-Identifier: Apache-2.0
#include "capture/kernel_program.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

using namespace spanflow;

namespace {

// What the kernel says to a program; it checks every jump and every memory cell. Any socket will do.
bool kernel_accepts(const KernelProgram& program) {
  std::array<int, 2> sockets{};
  REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets.data()) == 0);
  const sock_fprog code{.len = static_cast<unsigned short>(program.size()),
                        .filter = const_cast<sock_filter*>(program.data())};
  const auto accepted = setsockopt(sockets[0], SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof code) == 0;
  close(sockets[0]);
  close(sockets[1]);
  return accepted;
}

Admission of(std::string filter, std::uint16_t link_type = 1, std::uint32_t workers = 1) {
  return Admission{.filter = std::move(filter),
                   .snap_octets = 256,
                   .link_type = link_type,
                   .workers = workers,
                   .worker = workers - 1};
}

// A filter so long (4,050 instructions) that with our own it would not fit into one program. The ports make it long
// while libpcap is quick about it: over hosts alone its optimizer takes half a minute.
std::string long_filter() {
  std::string text = "host 10.0.0.1";
  for (int host = 0; host < 240; ++host) {
    text += " or (host 10.0.0." + std::to_string(host) + " and port " + std::to_string(1000 + host) + ")";
  }
  return text;
}

}  // namespace

TEST_CASE("the kernel accepts every program") {
  CHECK(kernel_accepts(closed_gate()));
  CHECK(kernel_accepts(fanout_program(1)));
  CHECK(kernel_accepts(fanout_program(101)));
  for (const auto link_type : {std::uint16_t{1}, std::uint16_t{101}}) {
    for (const std::uint32_t workers : {1U, 2U, 64U}) {
      for (const auto* filter :
           {"", "udp port 53", "host 10.0.0.1 and not tcp", "ip6 and portrange 1-1024", "greater 100"}) {
        CAPTURE(filter);
        CHECK(kernel_accepts(admission(of(filter, link_type, workers))));
      }
    }
  }
  CHECK(kernel_accepts(admission(of("vlan 10 and ether host 02:00:00:00:00:01"))));
}

TEST_CASE("a filter that is too long, or that does not compile, is left to user space") {
  const auto everything = admission(of("")).size();
  CHECK(admission(of("nonsense")).size() == everything);
  const auto program = admission(of(long_filter(), 1, 4));
  CHECK(program.size() < 4096);
  CHECK(kernel_accepts(program));
}
