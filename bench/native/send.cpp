// SPDX-License-Identifier: Apache-2.0
//
// Sends the frames of a capture file out of an interface, over and over, at a given rate.
//
//   send INTERFACE FILE PACKETS_PER_SECOND SECONDS    (rate 0: as fast as it goes)
//
// For an interface of a network namespace made for the measurement. Classic pcap in this host's byte order,
// Ethernet, as bench/traffic.py writes it. A packet socket that bypasses the queue discipline, sendmmsg with
// 64 frames a call; between calls it watches the clock, so a rate is kept within 64 frames. Ends after
// SECONDS or at SIGTERM, and prints one JSON line: the frames that the kernel took, calls that it
// refused for lack of room (their frames are sent again), and seconds from the first frame to the last.

#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
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
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t batch = 64;
constexpr std::size_t file_header_octets = 24;
constexpr std::size_t record_header_octets = 16;
constexpr int send_buffer_octets = 16 << 20;

volatile sig_atomic_t stop_requested = 0;

void request_stop(int) { stop_requested = 1; }

std::runtime_error failure(std::string_view what) {
  return std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

std::uint32_t word(std::span<const std::byte> octets, std::size_t at) noexcept {
  std::uint32_t value = 0;
  std::memcpy(&value, octets.subspan(at).data(), sizeof value);
  return value;
}

// The frames of a file, which stays mapped.
std::vector<std::span<std::byte>> read_frames(const char* path) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) throw failure(path);
  struct stat status{};
  if (::fstat(file, &status) != 0) throw failure("fstat");
  const auto octets = static_cast<std::size_t>(status.st_size);
  // Private and writable only because iovec is not const: nothing is written.
  void* const mapped =
      ::mmap(nullptr, octets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE | MAP_NORESERVE, file, 0);
  if (mapped == MAP_FAILED) throw failure("mmap");
  ::close(file);
  const std::span data(static_cast<std::byte*>(mapped), octets);
  if (octets < file_header_octets || (word(data, 0) != 0xa1b2c3d4 && word(data, 0) != 0xa1b23c4d)) {
    throw std::runtime_error(std::string(path) + ": not a classic pcap file in this host's byte order");
  }
  std::vector<std::span<std::byte>> frames;
  for (std::size_t at = file_header_octets; octets - at >= record_header_octets;) {
    const std::size_t captured = word(data, at + 8);
    at += record_header_octets;
    if (octets - at < captured) break;
    frames.push_back(data.subspan(at, captured));
    at += captured;
  }
  if (frames.empty()) throw std::runtime_error(std::string(path) + ": no frames");
  return frames;
}

int open_socket(const char* interface) {
  const int handle = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (handle < 0) throw failure("socket");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
  if (address.sll_ifindex == 0) throw failure(interface);
  if (::bind(handle, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw failure("bind");
  const int on = 1;
  if (::setsockopt(handle, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0) throw failure("qdisc bypass");
  ::setsockopt(handle, SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer_octets, sizeof send_buffer_octets);
  return handle;
}

// Owner: the one thread of this program.
class Sender {
 public:
  Sender(int handle, std::span<const std::span<std::byte>> frames) : handle_(handle), frames_(frames) {
    for (std::size_t i = 0; i < batch; ++i) {
      messages_[i].msg_hdr.msg_iov = &vectors_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  // The next 64 frames, all of them.
  void send_batch() {
    for (iovec& vector : vectors_) {
      const std::span frame = frames_[next_];
      vector = {frame.data(), frame.size()};
      next_ = next_ + 1 == frames_.size() ? 0 : next_ + 1;
    }
    for (std::size_t done = 0; done < batch;) {
      const int taken = ::sendmmsg(handle_, &messages_[done], static_cast<unsigned>(batch - done), 0);
      if (taken > 0) {
        done += static_cast<std::size_t>(taken);
      } else if (errno == ENOBUFS || errno == EAGAIN || errno == EINTR) {
        ++refusals_;
      } else {
        throw failure("sendmmsg");
      }
    }
    sent_ += batch;
  }

  std::uint64_t sent() const noexcept { return sent_; }
  std::uint64_t refusals() const noexcept { return refusals_; }

 private:
  int handle_;
  std::span<const std::span<std::byte>> frames_;
  std::size_t next_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t refusals_ = 0;
  std::array<iovec, batch> vectors_{};
  std::array<mmsghdr, batch> messages_{};
};

void run(const char* interface, const char* path, double rate, double seconds) {
  const auto frames = read_frames(path);
  Sender sender(open_socket(interface), frames);
  const auto begin = Clock::now();
  auto now = begin;
  while (stop_requested == 0 && Seconds(now - begin).count() < seconds) {
    sender.send_batch();
    now = Clock::now();
    // Spinning, not sleeping: at 500,000 frames a second a batch is due every 0.13 ms.
    while (rate > 0 && stop_requested == 0 &&
           Seconds(now - begin).count() * rate < static_cast<double>(sender.sent())) {
      now = Clock::now();
    }
  }
  std::printf("{\"sent\": %llu, \"refusals\": %llu, \"seconds\": %.6f}\n",
              static_cast<unsigned long long>(sender.sent()), static_cast<unsigned long long>(sender.refusals()),
              Seconds(now - begin).count());
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) {
    std::fputs("usage: send INTERFACE FILE PACKETS_PER_SECOND SECONDS\n", stderr);
    return 64;
  }
  struct sigaction action{};
  action.sa_handler = request_stop;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  try {
    run(arguments[1], arguments[2], std::strtod(arguments[3], nullptr), std::strtod(arguments[4], nullptr));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "send: %s\n", error.what());
    return 1;
  }
  return 0;
}
