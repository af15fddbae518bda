// SPDX-License-Identifier: Apache-2.0
// Memory for records on their way to Python, used again and again: a fresh buffer would cost page faults.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "cache/first_packets.hpp"
#include "cache/flow_record.hpp"
#include "counters.hpp"

namespace spanflow {

class BatchPool;

// What a batch is made of: records, the octets that some of them point into, and so many first packets of each.
struct BatchStorage {
  std::vector<FlowRecord> records;
  std::vector<std::byte> details;
  std::vector<FirstPacket> first_packets;
};

// Owner: who holds it, one thread at a time. Oriented records of one IP version. Goes back to its pool when it dies;
// it keeps the pool alive, so views of it may outlive the Meter.
class Batch {
 public:
  static constexpr std::size_t kFullDetails = std::size_t{512} << 10;

  Batch(std::shared_ptr<BatchPool> pool, BatchStorage storage, std::uint8_t ip_version,
        std::size_t first_packets) noexcept;
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  [[nodiscard]] FlowRecord& append(const FlowCount& content) noexcept {
    content_.add(content);
    return storage_.records[size_++];
  }
  // Where the details of a record are put: their offset is that of the end.
  [[nodiscard]] std::vector<std::byte>& details() noexcept { return storage_.details; }
  [[nodiscard]] const std::vector<std::byte>& details() const noexcept { return storage_.details; }

  // The first packets of all records, and the places for those of the record that was appended last.
  [[nodiscard]] std::span<const FirstPacket> first_packets() const noexcept {
    return {storage_.first_packets.data(), size_ * first_packets_};
  }
  [[nodiscard]] std::span<FirstPacket> latest_first_packets() noexcept {
    return std::span(storage_.first_packets).subspan((size_ - 1) * first_packets_, first_packets_);
  }

  [[nodiscard]] bool full() const noexcept {
    return size_ == storage_.records.size() || storage_.details.size() >= kFullDetails;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t octets() const noexcept {
    return storage_.records.size() * sizeof(FlowRecord) + storage_.details.capacity() +
           storage_.first_packets.size() * sizeof(FirstPacket);
  }
  [[nodiscard]] std::uint8_t ip_version() const noexcept { return ip_version_; }
  [[nodiscard]] const FlowCount& content() const noexcept { return content_; }
  [[nodiscard]] std::span<const FlowRecord> records() const noexcept { return {storage_.records.data(), size_}; }

  // The same records in the smallest class that holds them.
  [[nodiscard]] std::unique_ptr<Batch> fitted() const;

 private:
  std::shared_ptr<BatchPool> pool_;
  BatchStorage storage_;
  std::size_t size_ = 0;
  std::size_t first_packets_;  // of each record
  std::uint8_t ip_version_;
  FlowCount content_;
};

// Shared by all workers and views of one Meter; a lock is taken once per batch.
class BatchPool : public std::enable_shared_from_this<BatchPool> {
 public:
  static constexpr std::array<std::size_t, 3> kClasses = {32, 256, 2048};  // records
  static constexpr std::size_t kLargest = kClasses.back();

  // first_packets: how many there are to be of each record.
  [[nodiscard]] std::unique_ptr<Batch> take(std::uint8_t ip_version, std::size_t records = kLargest,
                                            std::size_t first_packets = 0);
  void give_back(BatchStorage storage) noexcept;

 private:
  static constexpr std::size_t kKeptPerClass = 32;

  std::mutex mutex_;
  std::array<std::vector<BatchStorage>, kClasses.size()> free_;
};

}  // namespace spanflow
