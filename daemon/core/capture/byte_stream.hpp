// SPDX-License-Identifier: Apache-2.0
// Buffered octets of a file, a pipe or standard input.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

namespace spanflow {

class BufferPool;

// Memory that octets are read into. Owner: who reads; once they are read, all who hold it, and nobody writes. Goes back
// to its pool with the last of them: a fresh one would cost page faults.
class ByteBuffer {
 public:
  static constexpr std::size_t kOctets = std::size_t{512} << 10;

  ByteBuffer(std::shared_ptr<BufferPool> pool, std::unique_ptr<std::byte[]> octets) noexcept;
  ~ByteBuffer();
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;

  [[nodiscard]] std::byte* data() noexcept { return octets_.get(); }
  [[nodiscard]] const std::byte* data() const noexcept { return octets_.get(); }

 private:
  std::shared_ptr<BufferPool> pool_;
  std::unique_ptr<std::byte[]> octets_;
};

// Owner: shared by one stream and who holds its buffers.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  BufferPool() { free_.reserve(kKept); }

  [[nodiscard]] std::shared_ptr<ByteBuffer> take();
  void give_back(std::unique_ptr<std::byte[]> octets) noexcept;

 private:
  static constexpr std::size_t kKept = 8;

  std::mutex mutex_;
  std::vector<std::unique_ptr<std::byte[]>> free_;
};

// Reads ahead into one buffer. read() beats mmap here: its copy is a sequential stream, it works on pipes, and a file
// that shrinks is an early end, not a signal.
class ByteStream {
 public:
  static constexpr std::size_t kBuffer = ByteBuffer::kOctets;
  static constexpr std::size_t kLargestRecord = std::size_t{384} << 10;  // what fill() can be asked for

  // Owns the descriptor. `stop` set, from any thread, is the end of a pipe on which nothing comes.
  ByteStream(int descriptor, const std::atomic<bool>& stop);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  // Reads until `octets` (<= kLargestRecord) are available, or the end. Moves what is in the buffer: pointers into it
  // are void, unless somebody has it from share(). Returns whether they are there.
  bool fill(std::size_t octets);

  [[nodiscard]] const std::byte* data() const noexcept { return buffer_->data() + begin_; }
  [[nodiscard]] std::size_t available() const noexcept { return end_ - begin_; }
  void consume(std::size_t octets) noexcept { begin_ += octets; }

  // Drops octets that may reach beyond the buffer. False: the input ended before.
  bool skip(std::uint64_t octets);

  // What data() points into. It is not written to any more: the stream goes on in another.
  [[nodiscard]] std::shared_ptr<const ByteBuffer> share() noexcept {
    shared_ = true;
    return buffer_;
  }

  // Position of data() in the input.
  [[nodiscard]] std::uint64_t offset() const noexcept { return read_ - available(); }
  [[nodiscard]] std::uint64_t octets_read() const noexcept { return read_; }
  // Whether a read may wait for somebody to write.
  [[nodiscard]] bool may_block() const noexcept { return may_block_; }
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }
  // errno of a read that failed, else 0.
  [[nodiscard]] int error() const noexcept { return error_; }

 private:
  void move_to_front();
  // False: stopped.
  [[nodiscard]] bool wait_for_octets();

  int descriptor_;
  std::shared_ptr<BufferPool> pool_;
  std::shared_ptr<ByteBuffer> buffer_;
  bool shared_ = false;
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
