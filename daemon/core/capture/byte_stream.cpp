// SPDX-License-Identifier: Apache-2.0
#include "capture/byte_stream.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace spanflow {

namespace {

constexpr int kPollMs = 100;

}  // namespace

ByteBuffer::ByteBuffer(std::shared_ptr<BufferPool> pool, std::unique_ptr<std::byte[]> octets) noexcept
    : pool_(std::move(pool)), octets_(std::move(octets)) {}

ByteBuffer::~ByteBuffer() { pool_->give_back(std::move(octets_)); }

std::shared_ptr<ByteBuffer> BufferPool::take() {
  std::unique_ptr<std::byte[]> octets;
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      octets = std::move(free_.back());
      free_.pop_back();
    }
  }
  if (octets == nullptr) {
    octets = std::unique_ptr<std::byte[]>(new std::byte[ByteBuffer::kOctets]);
  }
  return std::make_shared<ByteBuffer>(shared_from_this(), std::move(octets));
}

void BufferPool::give_back(std::unique_ptr<std::byte[]> octets) noexcept {
  const std::lock_guard lock(mutex_);
  if (free_.size() < kKept) {
    free_.push_back(std::move(octets));
  }
}

ByteStream::ByteStream(int descriptor, const std::atomic<bool>& stop)
    : descriptor_(descriptor), pool_(std::make_shared<BufferPool>()), buffer_(pool_->take()), stop_(stop) {
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

void ByteStream::move_to_front() {
  auto target = shared_ ? pool_->take() : buffer_;
  std::memmove(target->data(), data(), available());
  buffer_ = std::move(target);
  shared_ = false;
  end_ -= begin_;
  begin_ = 0;
}

bool ByteStream::fill(std::size_t octets) {
  if (available() >= octets) {
    return true;
  }
  move_to_front();
  while (end_ < octets) {
    if (may_block_ && !wait_for_octets()) {
      return false;
    }
    const auto count = read(descriptor_, buffer_->data() + end_, kBuffer - end_);
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
