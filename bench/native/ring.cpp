// SPDX-License-Identifier: Apache-2.0
//
// The floor of live capture: a TPACKET_V3 ring whose packets are looked at and counted, nothing else.
//
//   ring INTERFACE [MIB]    (default 64) until SIGTERM or SIGINT
//
// Looks at the first 56 octets of each packet, as `floor` does. Blocks of 1 MiB, block timeout 10 ms, 256
// octets of each packet, as spanflow has them. Prints "ready" on stderr when it is bound, at the end one JSON
// line on stdout: packets looked at, octets that they had on the wire, and packets that found no room.

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

constexpr std::size_t block_octets = std::size_t{1} << 20;
constexpr std::uint32_t frame_octets = 2048;  // the kernel asks for it, a V3 ring does not use it
constexpr std::uint32_t snap_octets = 256;
constexpr std::size_t touched_octets = 56;
constexpr unsigned block_timeout_ms = 10;
constexpr int poll_timeout_ms = 100;

volatile sig_atomic_t stop_requested = 0;

void request_stop(int) { stop_requested = 1; }

std::runtime_error failure(std::string_view what) {
  return std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

template <typename Option>
void set(int handle, int level, int name, const Option& value, const char* what) {
  if (::setsockopt(handle, level, name, &value, sizeof value) != 0) throw failure(what);
}

// Owner: the one thread of this program. What the kernel shares with us is handed over block by block.
class Ring {
 public:
  Ring(const char* interface, std::size_t blocks)
      : handle_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)), blocks_(blocks) {
    if (handle_ < 0) throw failure("socket");
    set(handle_, SOL_PACKET, PACKET_VERSION, int{TPACKET_V3}, "TPACKET_V3");
    sock_filter keep{BPF_RET | BPF_K, 0, 0, snap_octets};
    set(handle_, SOL_SOCKET, SO_ATTACH_FILTER, sock_fprog{1, &keep}, "filter");
    tpacket_req3 request{};
    request.tp_block_size = static_cast<unsigned>(block_octets);
    request.tp_block_nr = static_cast<unsigned>(blocks);
    request.tp_frame_size = frame_octets;
    request.tp_frame_nr = static_cast<unsigned>(blocks * block_octets / frame_octets);
    request.tp_retire_blk_tov = block_timeout_ms;
    set(handle_, SOL_PACKET, PACKET_RX_RING, request, "ring");
    void* const mapped =
        ::mmap(nullptr, blocks * block_octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, handle_, 0);
    if (mapped == MAP_FAILED) throw failure("mmap");
    memory_ = {static_cast<std::byte*>(mapped), blocks * block_octets};
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
    if (address.sll_ifindex == 0) throw failure(interface);
    if (::bind(handle_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw failure("bind");
  }

  void run() {
    for (std::size_t number = 0; stop_requested == 0; number = (number + 1) % blocks_) {
      const std::span block = memory_.subspan(number * block_octets, block_octets);
      // The kernel's layout begins with an aligned block descriptor.
      auto& head = reinterpret_cast<tpacket_block_desc*>(block.data())->hdr.bh1;
      std::atomic_ref status(head.block_status);
      if (!wait_for(status)) return;
      walk(block, head.offset_to_first_pkt, head.num_pkts);
      status.store(TP_STATUS_KERNEL, std::memory_order_release);
    }
  }

  void report() const {
    tpacket_stats_v3 statistics{};
    socklen_t length = sizeof statistics;
    if (::getsockopt(handle_, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) != 0) throw failure("statistics");
    std::printf("{\"packets\": %llu, \"wire_octets\": %llu, \"drops\": %u, \"fingerprint\": \"%016llx\"}\n",
                static_cast<unsigned long long>(packets_), static_cast<unsigned long long>(wire_octets_),
                statistics.tp_drops, static_cast<unsigned long long>(fingerprint_));
  }

 private:
  // Until the kernel hands the block over; false when the program is to stop.
  bool wait_for(std::atomic_ref<std::uint32_t> status) const {
    while ((status.load(std::memory_order_acquire) & TP_STATUS_USER) == 0) {
      if (stop_requested != 0) return false;
      pollfd waiting{handle_, POLLIN, 0};
      ::poll(&waiting, 1, poll_timeout_ms);
    }
    return true;
  }

  void walk(std::span<const std::byte> block, std::size_t at, std::uint32_t packets) noexcept {
    for (std::uint32_t i = 0; i < packets; ++i) {
      tpacket3_hdr head{};
      std::memcpy(&head, block.subspan(at).data(), sizeof head);
      const std::size_t touched = std::min<std::size_t>(head.tp_snaplen, touched_octets);
      for (std::size_t octet = 0; octet + 8 <= touched; octet += 8) {
        std::uint64_t value = 0;
        std::memcpy(&value, block.subspan(at + head.tp_mac + octet).data(), sizeof value);
        fingerprint_ ^= value;
      }
      wire_octets_ += head.tp_len;
      at += head.tp_next_offset;
    }
    packets_ += packets;
  }

  int handle_;
  std::size_t blocks_;
  std::span<std::byte> memory_;
  std::uint64_t packets_ = 0;
  std::uint64_t wire_octets_ = 0;
  std::uint64_t fingerprint_ = 0;  // of the octets looked at, so that no load is optimised away
};

void run(const char* interface, std::size_t mebibytes) {
  Ring ring(interface, mebibytes);
  std::fputs("ready\n", stderr);
  ring.run();
  ring.report();
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2 || count > 3) {
    std::fputs("usage: ring INTERFACE [MIB]\n", stderr);
    return 64;
  }
  struct sigaction action{};
  action.sa_handler = request_stop;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  try {
    run(arguments[1], count == 3 ? std::strtoul(arguments[2], nullptr, 10) : 64);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ring %s: %s\n", arguments[1], error.what());
    return 1;
  }
  return 0;
}
