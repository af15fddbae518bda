// SPDX-License-Identifier: Apache-2.0
// What we send to collectors: metering it would make more of it (semantics §1, `own_export`).
#pragma once

#include <atomic>
#include <bitset>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "decode/packet.hpp"

namespace spanflow {

// The connected 5-tuple of one Transport Session. Of TCP and SCTP the acknowledgements that come back belong to it.
struct OwnExport {
  Address source;
  Address destination;
  std::uint16_t source_port;
  std::uint16_t destination_port;
  std::uint8_t protocol;
};

// Owner: shared. The control thread sets, workers look: a worker takes a new table when the version says so.
class OwnExports {
 public:
  class Table {
   public:
    explicit Table(std::vector<OwnExport> exports);

    [[nodiscard]] bool contains(const Packet& packet) const noexcept {
      return source_ports_[packet.source_port] && is_listed(packet);
    }

   private:
    friend class OwnExports;

    [[nodiscard]] bool is_listed(const Packet& packet) const noexcept;

    std::vector<OwnExport> exports_;
    std::bitset<65536> source_ports_;
    std::uint64_t version_ = 0;
  };

  void set(std::vector<OwnExport> exports);

  // Makes `table` the current one. Cheap when it is already.
  void refresh(std::shared_ptr<const Table>& table) const {
    if (const auto version = version_.load(std::memory_order_acquire);
        version != 0 && (table == nullptr || table->version_ != version)) [[unlikely]] {
      const std::lock_guard lock(mutex_);
      table = table_;
    }
  }

 private:
  std::atomic<std::uint64_t> version_ = 0;
  mutable std::mutex mutex_;
  std::shared_ptr<const Table> table_;
};

}  // namespace spanflow
