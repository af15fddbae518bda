// SPDX-License-Identifier: Apache-2.0
// Buffered octets of a file, a pipe or standard input.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

namespace spanflow {

// Reads ahead into one buffer. read() beats mmap here: its copy is a sequential stream, it works on pipes, and a file
// that shrinks is an early end, not a signal.
class ByteStream {
 public:
  static constexpr std::size_t kBuffer = std::size_t{512} << 10;
  static constexpr std::size_t kLargestRecord = std::size_t{384} << 10;  // what fill() can be asked for

  // Owns the descriptor. `stop` set, from any thread, is the end of a pipe on which nothing comes.
  ByteStream(int descriptor, const std::atomic<bool>& stop);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  // Reads until `octets` (<= kLargestRecord) are available, or the end. Moves what is in the buffer: pointers into it
  // are void. Returns whether they are there.
  bool fill(std::size_t octets);

  [[nodiscard]] const std::byte* data() const noexcept { return buffer_.get() + begin_; }
  [[nodiscard]] std::size_t available() const noexcept { return end_ - begin_; }
  void consume(std::size_t octets) noexcept { begin_ += octets; }

  // Drops octets that may reach beyond the buffer. False: the input ended before.
  bool skip(std::uint64_t octets);

  // Position of data() in the input.
  [[nodiscard]] std::uint64_t offset() const noexcept { return read_ - available(); }
  [[nodiscard]] std::uint64_t octets_read() const noexcept { return read_; }
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }
  // errno of a read that failed, else 0.
  [[nodiscard]] int error() const noexcept { return error_; }

 private:
  // False: stopped.
  [[nodiscard]] bool wait_for_octets();

  int descriptor_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t read_ = 0;
  int error_ = 0;
  bool may_block_ = false;  // a pipe, a terminal: poll before read
  bool stopped_ = false;
  const std::atomic<bool>& stop_;
};

// Integers of a file, in the byte order of its writer.
class FileOrder {
 public:
  explicit FileOrder(bool swapped = false) noexcept : swapped_(swapped) {}

  [[nodiscard]] std::uint16_t u16(const std::byte* at) const noexcept {
    std::uint16_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return swapped_ ? __builtin_bswap16(value) : value;
  }
  [[nodiscard]] std::uint32_t u32(const std::byte* at) const noexcept {
    std::uint32_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return swapped_ ? __builtin_bswap32(value) : value;
  }
  [[nodiscard]] std::uint64_t u64(const std::byte* at) const noexcept {
    std::uint64_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return swapped_ ? __builtin_bswap64(value) : value;
  }

 private:
  bool swapped_;
};

}  // namespace spanflow
