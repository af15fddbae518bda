// SPDX-License-Identifier: Apache-2.0
// Memory that is reserved at start and touched as it is used.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>

namespace spanflow {

// An array of `count` zeroed T in address space of its own: what is never touched costs no memory. Large ones lie in
// huge pages where the kernel has them: a cache is read at random, and misses of the address translation would cost
// more than those of the data. `preallocate` faults all of it in now. Throws std::bad_alloc.
template <typename T>
class Region {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit Region(std::size_t count, bool preallocate = false) {
    octets_ = count * sizeof(T);
    mapped_octets_ = octets_ + kHugePage;  // room to begin at a huge page
    mapping_ =
        mmap(nullptr, mapped_octets_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping_ == MAP_FAILED) {
      throw std::bad_alloc();
    }
    auto* begin = static_cast<std::byte*>(mapping_);
    begin += (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
    data_ = reinterpret_cast<T*>(begin);
    if (octets_ >= kHugePage) {
      madvise(begin, octets_, MADV_HUGEPAGE);
    }
    if (preallocate) {
      std::memset(begin, 0, octets_);
    }
  }
  ~Region() { munmap(mapping_, mapped_octets_); }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // All zero again; the memory goes back to the system.
  void clear() noexcept { madvise(data_, octets_, MADV_DONTNEED); }

  T& operator[](std::size_t index) noexcept { return data_[index]; }
  const T& operator[](std::size_t index) const noexcept { return data_[index]; }

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  void* mapping_ = nullptr;
  std::size_t mapped_octets_ = 0;
  std::size_t octets_ = 0;
  T* data_ = nullptr;
};

}  // namespace spanflow
