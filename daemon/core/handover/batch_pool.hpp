// SPDX-License-Identifier: Apache-2.0
// Memory for records on their way to Python, used again and again: a fresh buffer would cost page faults.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "cache/flow_record.hpp"
#include "counters.hpp"

namespace spanflow {

class BatchPool;

// Owner: who holds it, one thread at a time. Oriented records of one IP version. Goes back to its pool when it dies;
// it keeps the pool alive, so views of it may outlive the Meter.
class Batch {
 public:
  Batch(std::shared_ptr<BatchPool> pool, std::vector<FlowRecord> storage, std::uint8_t ip_version) noexcept;
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  [[nodiscard]] FlowRecord& append(const FlowCount& content) noexcept {
    content_.add(content);
    return storage_[size_++];
  }
  [[nodiscard]] bool full() const noexcept { return size_ == storage_.size(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return storage_.size(); }
  [[nodiscard]] std::uint8_t ip_version() const noexcept { return ip_version_; }
  [[nodiscard]] const FlowCount& content() const noexcept { return content_; }
  [[nodiscard]] std::span<const FlowRecord> records() const noexcept { return {storage_.data(), size_}; }

  // The same records in the smallest class that holds them.
  [[nodiscard]] std::unique_ptr<Batch> fitted() const;

 private:
  std::shared_ptr<BatchPool> pool_;
  std::vector<FlowRecord> storage_;
  std::size_t size_ = 0;
  std::uint8_t ip_version_;
  FlowCount content_;
};

// Shared by all workers and views of one Meter; a lock is taken once per batch.
class BatchPool : public std::enable_shared_from_this<BatchPool> {
 public:
  static constexpr std::array<std::size_t, 3> kClasses = {32, 256, 2048};  // records
  static constexpr std::size_t kLargest = kClasses.back();

  [[nodiscard]] std::unique_ptr<Batch> take(std::uint8_t ip_version, std::size_t records = kLargest);
  void give_back(std::vector<FlowRecord> storage) noexcept;

 private:
  static constexpr std::size_t kKeptPerClass = 32;

  std::mutex mutex_;
  std::array<std::vector<std::vector<FlowRecord>>, kClasses.size()> free_;
};

}  // namespace spanflow
