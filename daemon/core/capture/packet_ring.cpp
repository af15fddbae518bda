// SPDX-License-Identifier: Apache-2.0
#include "capture/packet_ring.hpp"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace spanflow {
namespace {

constexpr std::size_t kBlockOctets = std::size_t{256} << 10;
constexpr std::size_t kSmallBlockOctets = std::size_t{64} << 10;
constexpr std::size_t kManyBlocks = 64;
constexpr std::size_t kFewestBlocks = 4;
constexpr unsigned kTagOctets = 4;
constexpr std::uint32_t kMergedByKernel = 1U << 8;  // TP_STATUS_GSO_TCP, which Debian 12's headers lack

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

template <typename Value>
void set_option(int socket, int level, int option, const Value& value, const char* what) {
  if (setsockopt(socket, level, option, &value, sizeof value) != 0) {
    fail(what);
  }
}

// The kernel is the other side of these words: they are read once, in order.
std::uint32_t status_of(std::byte* block) noexcept {
  auto& header = reinterpret_cast<tpacket_block_desc*>(block)->hdr.bh1;
  return std::atomic_ref(header.block_status).load(std::memory_order_acquire);
}

}  // namespace

PacketRing::PacketRing(int socket, std::size_t octets, std::size_t snap_octets, std::chrono::milliseconds block_timeout)
    : socket_(socket) {
  // A block with a single packet in it is handed over after the timeout, so at low rates it is the number of blocks
  // that bridges a stall: small rings have small ones. A frame fits into one block.
  block_octets_ = snap_octets > kSmallBlockOctets / 2 ? 2 * kSmallBlockOctets : kSmallBlockOctets;
  if (octets >= kBlockOctets * kManyBlocks) {
    block_octets_ = kBlockOctets;
  }
  blocks_ = std::max(octets / block_octets_, kFewestBlocks);
  set_option(socket_, SOL_PACKET, PACKET_VERSION, int{TPACKET_V3}, "TPACKET_V3");
  set_option(socket_, SOL_PACKET, PACKET_RESERVE, kTagOctets, "PACKET_RESERVE");
  attach(closed_gate());
  tpacket_req3 request{};
  constexpr unsigned kFrameOctets = 2048;  // of no meaning in this version, but checked
  request.tp_block_size = static_cast<unsigned>(block_octets_);
  request.tp_block_nr = static_cast<unsigned>(blocks_);
  request.tp_frame_size = kFrameOctets;
  request.tp_frame_nr = request.tp_block_size / kFrameOctets * request.tp_block_nr;
  request.tp_retire_blk_tov = static_cast<unsigned>(block_timeout.count());
  set_option(socket_, SOL_PACKET, PACKET_RX_RING, request, "the ring's memory");
  auto* memory = mmap(nullptr, block_octets_ * blocks_, PROT_READ | PROT_WRITE, MAP_SHARED, socket_, 0);
  if (memory == MAP_FAILED) {
    fail("mapping the ring");
  }
  memory_ = static_cast<std::byte*>(memory);
}

PacketRing::~PacketRing() {
  munmap(memory_, block_octets_ * blocks_);
  close(socket_);
}

void PacketRing::attach(const KernelProgram& program) {
  const sock_fprog code{.len = static_cast<unsigned short>(program.size()),
                        .filter = const_cast<sock_filter*>(program.data())};
  set_option(socket_, SOL_SOCKET, SO_ATTACH_FILTER, code, "attaching the filter");
}

void PacketRing::close_gate() noexcept {
  const auto program = closed_gate();
  const sock_fprog code{.len = static_cast<unsigned short>(program.size()),
                        .filter = const_cast<sock_filter*>(program.data())};
  if (setsockopt(socket_, SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof code) != 0) {
    // The kernel bounds what the programs of a socket take, the one that is to be replaced included.
    const int none = 0;
    setsockopt(socket_, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
    setsockopt(socket_, SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof code);
  }
}

void PacketRing::bind(std::uint32_t interface_index) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(interface_index);
  if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("binding");
  }
}

std::uint32_t PacketRing::bound_to() const {
  sockaddr_ll address{};
  socklen_t octets = sizeof address;
  const auto known = getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &octets) == 0;
  return known && address.sll_ifindex > 0 ? static_cast<std::uint32_t>(address.sll_ifindex) : 0;
}

void PacketRing::set_promiscuous(std::uint32_t interface_index) {
  packet_mreq membership{};
  membership.mr_ifindex = static_cast<int>(interface_index);
  membership.mr_type = PACKET_MR_PROMISC;
  set_option(socket_, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership, "promiscuous mode");
}

void PacketRing::leave_promiscuous(std::uint32_t interface_index) noexcept {
  packet_mreq membership{};
  membership.mr_ifindex = static_cast<int>(interface_index);
  membership.mr_type = PACKET_MR_PROMISC;
  setsockopt(socket_, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &membership, sizeof membership);
}

void PacketRing::ignore_outgoing() {
  set_option(socket_, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "ignoring outgoing copies");
}

std::uint16_t PacketRing::join_fanout(std::optional<std::uint16_t> group, bool ignore_outgoing) {
  constexpr int kIgnoreOutgoing = 0x4000;  // PACKET_FANOUT_FLAG_IGNORE_OUTGOING, which Debian 12's headers lack
  const auto type =
      PACKET_FANOUT_CBPF | (group ? 0 : PACKET_FANOUT_FLAG_UNIQUEID) | (ignore_outgoing ? kIgnoreOutgoing : 0);
  set_option(socket_, SOL_PACKET, PACKET_FANOUT, int{group.value_or(0)} | type << 16, "joining the fanout group");
  int joined = 0;
  socklen_t octets = sizeof joined;
  if (getsockopt(socket_, SOL_PACKET, PACKET_FANOUT, &joined, &octets) != 0) {
    fail("asking for the fanout group");
  }
  return static_cast<std::uint16_t>(joined);
}

void PacketRing::set_fanout_program(const KernelProgram& program) {
  const sock_fprog code{.len = static_cast<unsigned short>(program.size()),
                        .filter = const_cast<sock_filter*>(program.data())};
  set_option(socket_, SOL_PACKET, PACKET_FANOUT_DATA, code, "the fanout program");
}

bool PacketRing::take_block() noexcept {
  auto* begin = block(current_);
  if ((status_of(begin) & TP_STATUS_USER) == 0) {
    return false;
  }
  const auto& header = reinterpret_cast<const tpacket_block_desc*>(begin)->hdr.bh1;
  held_ = true;
  left_ = header.num_pkts;
  packet_ = begin + header.offset_to_first_pkt;
  return true;
}

void PacketRing::give_back() noexcept {
  auto& header = reinterpret_cast<tpacket_block_desc*>(block(current_))->hdr.bh1;
  std::atomic_ref(header.block_status).store(TP_STATUS_KERNEL, std::memory_order_release);
  held_ = false;
  current_ = (current_ + 1) % blocks_;
}

// Between the addresses and the type, where it was on the wire; the ring has room for it before the frame.
void PacketRing::put_tag_back(Frame& frame, std::byte* data, std::uint16_t tpid, std::uint16_t tci) noexcept {
  constexpr std::size_t kAddresses = 12;
  if (frame.captured_octets < kAddresses) {
    return;
  }
  auto* begin = data - kTagOctets;
  std::memmove(begin, data, kAddresses);
  const std::array<std::uint16_t, 2> tag = {htons(tpid), htons(tci)};
  std::memcpy(begin + kAddresses, tag.data(), kTagOctets);
  frame.data = begin;
  frame.captured_octets += kTagOctets;
  frame.wire_octets += kTagOctets;
}

std::size_t PacketRing::next(std::span<Frame> frames, std::uint16_t link_type, std::uint32_t largest_frame) {
  // What the last call gave is done with.
  while (left_ == 0) {
    if (held_) {
      give_back();
    }
    if (!take_block()) {
      return 0;
    }
  }
  std::size_t count = 0;
  for (; count < frames.size() && left_ > 0; --left_) {
    auto& header = *reinterpret_cast<tpacket3_hdr*>(packet_);
    auto* data = packet_ + header.tp_mac;
    auto& frame = frames[count++];
    frame.data = data;
    frame.captured_octets = header.tp_snaplen;
    frame.wire_octets = header.tp_len;
    frame.time_ns = std::int64_t{header.tp_sec} * 1'000'000'000 + header.tp_nsec;
    frame.clock_ns = frame.time_ns;
    frame.link_type = link_type;
    frame.interface = 0;
    frame.merged = header.tp_len > largest_frame || (header.tp_status & kMergedByKernel) != 0;
    if ((header.tp_status & TP_STATUS_VLAN_VALID) != 0) [[unlikely]] {
      const auto has_tpid = (header.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
      put_tag_back(frame, data, has_tpid ? header.hv1.tp_vlan_tpid : std::uint16_t{ETH_P_8021Q},
                   static_cast<std::uint16_t>(header.hv1.tp_vlan_tci));
    }
    packet_ += header.tp_next_offset;
  }
  return count;
}

void PacketRing::wait(int wake, std::chrono::milliseconds timeout) {
  std::array<pollfd, 2> waiting = {pollfd{.fd = socket_, .events = POLLIN, .revents = 0},
                                   pollfd{.fd = wake, .events = POLLIN, .revents = 0}};
  if (poll(waiting.data(), waiting.size(), static_cast<int>(timeout.count())) > 0 &&
      (waiting[0].revents & POLLERR) != 0) {
    // The interface went down. The error stands until it is asked for, and would wake us at once again.
    int error = 0;
    socklen_t octets = sizeof error;
    getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &octets);
  }
}

tpacket_stats_v3 PacketRing::take_statistics() {
  tpacket_stats_v3 statistics{};
  socklen_t octets = sizeof statistics;
  if (getsockopt(socket_, SOL_PACKET, PACKET_STATISTICS, &statistics, &octets) != 0) {
    return {};
  }
  return statistics;
}

}  // namespace spanflow
