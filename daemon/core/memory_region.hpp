// SPDX-License-Identifier: Apache-2.0
// Memory that is reserved at start and touched as it is used.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace spanflow {

// An array of `count` zeroed T in address space of its own: what is never touched costs no memory. `preallocate` faults
// all of it in now, in huge pages where the kernel has them. Throws std::bad_alloc.
template <typename T>
class Region {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit Region(std::size_t count, bool preallocate = false) : octets_(count * sizeof(T)) {
    void* memory = mmap(nullptr, octets_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::bad_alloc();
    }
    data_ = static_cast<T*>(memory);
    if (preallocate) {
      madvise(memory, octets_, MADV_HUGEPAGE);
      std::memset(memory, 0, octets_);
    }
  }
  ~Region() {
    if (data_ != nullptr) {
      munmap(data_, octets_);
    }
  }
  Region(Region&& other) noexcept : data_(std::exchange(other.data_, nullptr)), octets_(other.octets_) {}
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  Region& operator=(Region&&) = delete;

  T& operator[](std::size_t index) noexcept { return data_[index]; }
  const T& operator[](std::size_t index) const noexcept { return data_[index]; }

 private:
  T* data_ = nullptr;
  std::size_t octets_ = 0;
};

}  // namespace spanflow
