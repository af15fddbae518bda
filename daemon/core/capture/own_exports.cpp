// SPDX-License-Identifier: Apache-2.0
#include "capture/own_exports.hpp"

#include <algorithm>
#include <utility>

namespace spanflow {

OwnExports::Table::Table(std::vector<OwnExport> exports) : exports_(std::move(exports)) {
  for (const auto& own : exports_) {
    source_ports_.set(own.source_port);
  }
}

bool OwnExports::Table::is_listed(const Packet& packet) const noexcept {
  return std::any_of(exports_.begin(), exports_.end(), [&](const OwnExport& own) {
    return own.source_port == packet.source_port && own.destination_port == packet.destination_port &&
           own.source == packet.source && own.destination == packet.destination;
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
