// SPDX-License-Identifier: Apache-2.0
// Octets that end where memory ends: a read past them is a fault, also in code that no sanitizer instruments.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <new>
#include <span>

namespace spanflow::test {

class GuardedOctets {
 public:
  explicit GuardedOctets(std::size_t capacity) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    readable_ = (capacity + page - 1) / page * page;
    size_ = readable_ + page;
    void* const memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::bad_alloc();
    }
    begin_ = static_cast<std::byte*>(memory);
    if (mprotect(begin_ + readable_, page, PROT_NONE) != 0) {
      throw std::bad_alloc();
    }
  }
  ~GuardedOctets() { munmap(begin_, size_); }
  GuardedOctets(const GuardedOctets&) = delete;
  GuardedOctets& operator=(const GuardedOctets&) = delete;

  [[nodiscard]] std::size_t capacity() const noexcept { return readable_; }

  // A copy of at most capacity() octets, until the next call.
  std::span<std::byte> copy(std::span<const std::byte> octets) noexcept {
    auto* const begin = begin_ + readable_ - octets.size();
    if (!octets.empty()) {
      std::memcpy(begin, octets.data(), octets.size());
    }
    return {begin, octets.size()};
  }

 private:
  std::byte* begin_ = nullptr;
  std::size_t readable_ = 0;
  std::size_t size_ = 0;
};

}  // namespace spanflow::test
