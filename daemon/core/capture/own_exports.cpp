// SPDX-License-Identifier: Apache-2.0
#include "capture/own_exports.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace spanflow {

OwnExports::Table::Table(std::vector<OwnExport> exports) : exports_(std::move(exports)) {
  const auto given = exports_.size();
  for (std::size_t i = 0; i < given; ++i) {
    if (const auto own = exports_[i]; own.protocol != Protocol::udp) {
      exports_.push_back({.source = own.destination,
                          .destination = own.source,
                          .source_port = own.destination_port,
                          .destination_port = own.source_port,
                          .protocol = own.protocol});
    }
  }
  for (const auto& own : exports_) {
    source_ports_.set(own.source_port);
  }
}

bool OwnExports::Table::is_listed(const Packet& packet) const noexcept {
  return std::any_of(exports_.begin(), exports_.end(), [&](const OwnExport& own) {
    return own.source_port == packet.source_port && own.destination_port == packet.destination_port &&
           own.protocol == packet.protocol && own.source == packet.source && own.destination == packet.destination;
  });
}

void OwnExports::set(std::vector<OwnExport> exports) {
  auto table = std::make_shared<Table>(std::move(exports));
  const std::lock_guard lock(mutex_);
  table->version_ = version_.load(std::memory_order_relaxed) + 1;
  table_ = table;
  version_.store(table->version_, std::memory_order_release);
}

}  // namespace spanflow
