// SPDX-License-Identifier: Apache-2.0
//
// A UDP collector that only counts, so that it is never the slow end of a measurement.
//
//   sink PORT [IDLE_SECONDS]
//
// Listens on 127.0.0.1:PORT (0: the kernel chooses). The first line on stdout says
// {"port": …, "receive_buffer_octets": …}. The second line comes after IDLE_SECONDS (default 60) without a
// datagram, counted from the first one, or at SIGTERM or SIGINT when the socket has been read empty: the
// totals of ipfix_counter.hpp, the datagrams that the kernel dropped at this socket, and the seconds from the
// first datagram to the last.

#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "ipfix_counter.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int wanted_buffer_octets = 512 << 20;
constexpr std::size_t batch = 64;
// Not a multiple of a power of two: 64 datagrams at such a stride would share a few cache sets.
constexpr std::size_t slot_octets = 65536 + 192;

volatile sig_atomic_t stop_requested = 0;

void request_stop(int) { stop_requested = 1; }

std::runtime_error failure(const char* what) {
  return std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

int open_socket(std::uint16_t port) {
  const int handle = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (handle < 0) throw failure("socket");
  if (::setsockopt(handle, SOL_SOCKET, SO_RCVBUFFORCE, &wanted_buffer_octets, sizeof wanted_buffer_octets) != 0) {
    // Without CAP_NET_ADMIN the kernel caps this at net.core.rmem_max.
    ::setsockopt(handle, SOL_SOCKET, SO_RCVBUF, &wanted_buffer_octets, sizeof wanted_buffer_octets);
  }
  const int on = 1;
  ::setsockopt(handle, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  const timeval wait{0, 100'000};
  ::setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(handle, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw failure("bind");
  return handle;
}

void announce(int handle) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  ::getsockname(handle, reinterpret_cast<sockaddr*>(&address), &length);
  int octets = 0;
  length = sizeof octets;
  ::getsockopt(handle, SOL_SOCKET, SO_RCVBUF, &octets, &length);
  std::printf("{\"port\": %d, \"receive_buffer_octets\": %d}\n", ntohs(address.sin_port), octets);
  std::fflush(stdout);
}

// Owner: the one thread of this program.
class Receiver {
 public:
  explicit Receiver(int handle) : handle_(handle), storage_(batch * slot_octets) {
    for (std::size_t i = 0; i < batch; ++i) {
      vectors_[i] = {storage_.data() + i * slot_octets, slot_octets};
      messages_[i].msg_hdr.msg_iov = &vectors_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  // Counts what is there, waiting for the socket's receive timeout at most. Returns datagrams taken.
  std::size_t receive(int flags) {
    // One control buffer is enough: the drop counter of the last datagram is the newest.
    for (auto& message : messages_) {
      message.msg_hdr.msg_control = control_.data();
      message.msg_hdr.msg_controllen = control_.size();
    }
    const int got = ::recvmmsg(handle_, messages_.data(), batch, flags, nullptr);
    if (got < 0) {
      if (errno == EAGAIN || errno == EINTR) return 0;
      throw failure("recvmmsg");
    }
    const auto count = static_cast<std::size_t>(got);
    for (std::size_t i = 0; i < count; ++i) {
      counter_.count_message({storage_.data() + i * slot_octets, messages_[i].msg_len});
    }
    if (count > 0) note_drops(messages_[count - 1].msg_hdr);
    return count;
  }

  // The control message counts drops only up to a datagram that got through; this is the socket's own total.
  std::uint64_t drops() const {
    std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
    socklen_t length = sizeof memory;
    if (::getsockopt(handle_, SOL_SOCKET, SO_MEMINFO, memory.data(), &length) != 0) return drops_;
    return std::max<std::uint64_t>(drops_, memory[SK_MEMINFO_DROPS]);
  }

  const bench::Totals& totals() const noexcept { return counter_.totals(); }

 private:
  void note_drops(msghdr& header) {
    for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
      if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SO_RXQ_OVFL) {
        std::memcpy(&drops_, CMSG_DATA(item), sizeof drops_);
      }
    }
  }

  int handle_;
  std::uint32_t drops_ = 0;
  bench::IpfixCounter counter_;
  std::vector<std::byte> storage_;
  std::array<iovec, batch> vectors_{};
  std::array<mmsghdr, batch> messages_{};
  alignas(cmsghdr) std::array<std::byte, 64> control_{};
};

void report(const Receiver& receiver, double seconds) {
  const bench::Totals& total = receiver.totals();
  const auto field = [](const char* name, std::uint64_t value) {
    std::printf("\"%s\": %llu, ", name, static_cast<unsigned long long>(value));
  };
  std::fputs("{", stdout);
  field("messages", total.messages);
  field("message_octets", total.message_octets);
  field("records", total.records);
  field("option_records", total.option_records);
  field("packets", total.packets);
  field("octets", total.octets);
  field("reverse_packets", total.reverse_packets);
  field("reverse_octets", total.reverse_octets);
  field("templates", total.templates);
  field("unknown_sets", total.unknown_sets);
  field("malformed", total.malformed);
  field("sequence_gaps", total.sequence_gaps);
  field("kernel_drops", receiver.drops());
  std::printf("\"seconds\": %.6f}\n", seconds);
}

void run(std::uint16_t port, double idle_seconds) {
  const int handle = open_socket(port);
  announce(handle);
  Receiver receiver(handle);
  Clock::time_point first;
  Clock::time_point last;
  const auto take = [&](int flags) {
    const bool fresh = receiver.totals().messages == 0;
    if (receiver.receive(flags) == 0) return false;
    last = Clock::now();
    if (fresh) first = last;
    return true;
  };
  while (stop_requested == 0) {
    if (take(MSG_WAITFORONE) || receiver.totals().messages == 0) continue;
    if (std::chrono::duration<double>(Clock::now() - last).count() > idle_seconds) break;
  }
  while (take(MSG_DONTWAIT)) {
  }
  report(receiver, std::chrono::duration<double>(last - first).count());
  ::close(handle);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2 || count > 3) {
    std::fputs("usage: sink PORT [IDLE_SECONDS]\n", stderr);
    return 64;
  }
  struct sigaction action{};
  action.sa_handler = request_stop;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  try {
    run(static_cast<std::uint16_t>(std::strtoul(arguments[1], nullptr, 10)),
        count == 3 ? std::strtod(arguments[2], nullptr) : 60.0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sink %s: %s\n", arguments[1], error.what());
    return 1;
  }
  return 0;
}
