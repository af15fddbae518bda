// SPDX-License-Identifier: Apache-2.0
// Turns what the cache keeps into the record that leaves: oriented, one IP version per batch.
#pragma once

#include <cstdint>
#include <memory>

#include "cache/first_packets.hpp"
#include "cache/flow_record.hpp"
#include "classify/detection.hpp"
#include "counters.hpp"
#include "handover/batch_pool.hpp"
#include "handover/batch_queue.hpp"

namespace spanflow {

// What a record of this Flow would hand over now.
[[nodiscard]] FlowCount content_of(const HotFlow& flow) noexcept;

// Owner: one metering worker; it also keeps the hand-over part of that worker's counters.
class RecordWriter {
 public:
  RecordWriter(std::shared_ptr<BatchPool> pool, BatchQueue& queue, BatchQueue::WhenFull when_full, std::uint8_t worker,
               Counters& counters);

  // place: which Flow of the cache it is. classification: null where it is off.
  void write(std::uint32_t place, const HotFlow& flow, const ColdFlow& cold, EndDetail detail,
             const Classification* classification);

  // Where the first packets of records are, if they are kept.
  void set_first_packets(const FirstPackets* packets) noexcept { first_packets_ = packets; }

  // Where classified Flows have their details and their applicationId from.
  void set_detection(const Detection* detection) noexcept { detection_ = detection; }

  // Hands over what is in partly filled batches.
  void flush();

  // ingressInterface of what is written from now on: this, plus the number of the frame's capture port.
  void set_first_interface(std::uint32_t index) noexcept { first_interface_ = index; }
  void set_when_full(BatchQueue::WhenFull when_full) noexcept { when_full_ = when_full; }

 private:
  void write_classification(FlowRecord& record, Batch& batch, const Classification& classification) const;
  void hand_over(std::unique_ptr<Batch>& batch);

  std::shared_ptr<BatchPool> pool_;
  BatchQueue& queue_;
  BatchQueue::WhenFull when_full_;
  std::uint8_t worker_;
  std::uint32_t first_interface_ = 1;  // files: their interfaces are numbered from 0
  Counters& counters_;
  const Detection* detection_ = nullptr;
  const FirstPackets* first_packets_ = nullptr;
  std::unique_ptr<Batch> ipv4_;
  std::unique_ptr<Batch> ipv6_;
};

}  // namespace spanflow
