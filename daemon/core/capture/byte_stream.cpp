// SPDX-License-Identifier: Apache-2.0
#include "capture/byte_stream.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace spanflow {

namespace {

constexpr int kPollMs = 100;

}  // namespace

ByteStream::ByteStream(int descriptor, const std::atomic<bool>& stop)
    : descriptor_(descriptor), buffer_(new std::byte[kBuffer]), stop_(stop) {
  struct stat status{};
  may_block_ = fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode);
}

bool ByteStream::wait_for_octets() {
  while (!stop_.load(std::memory_order_relaxed)) {
    pollfd waiting{.fd = descriptor_, .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, kPollMs) != 0) {
      return true;  // octets, the end, or an error that read() will tell
    }
  }
  stopped_ = true;
  return false;
}

ByteStream::~ByteStream() { close(descriptor_); }

bool ByteStream::fill(std::size_t octets) {
  if (available() >= octets) {
    return true;
  }
  std::memmove(buffer_.get(), data(), available());
  end_ -= begin_;
  begin_ = 0;
  while (end_ < octets) {
    if (may_block_ && !wait_for_octets()) {
      return false;
    }
    const auto count = read(descriptor_, buffer_.get() + end_, kBuffer - end_);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      error_ = count < 0 ? errno : 0;
      return false;
    }
    end_ += static_cast<std::size_t>(count);
    read_ += static_cast<std::uint64_t>(count);
  }
  return true;
}

bool ByteStream::skip(std::uint64_t octets) {
  while (octets > 0) {
    const auto step = std::min<std::uint64_t>(octets, kLargestRecord);
    if (available() == 0 && !fill(1)) {
      return false;
    }
    const auto taken = std::min<std::uint64_t>(step, available());
    consume(static_cast<std::size_t>(taken));
    octets -= taken;
  }
  return true;
}

}  // namespace spanflow
