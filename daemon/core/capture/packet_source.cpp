// SPDX-License-Identifier: Apache-2.0
#include "capture/packet_source.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "capture/filter.hpp"

namespace spanflow {
namespace {

// Of an Ethernet header and two tags: what a frame may be longer than the MTU.
constexpr std::uint32_t kMostLinkOctets = 14 + 2 * 4;

// After a departure, so long until all workers have noticed, which look ten times a second.
constexpr std::chrono::milliseconds kAllHaveNoticed{250};

}  // namespace

std::vector<std::unique_ptr<LiveSource>> PacketSource::open(const InterfaceOptions& options,
                                                            const std::vector<int>& sockets,
                                                            const std::vector<int>& spares) {
  const auto workers = static_cast<std::uint32_t>(sockets.size());
  const auto departures = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::vector<std::unique_ptr<PacketSource>> sources;
  for (std::uint32_t worker = 0; worker < workers; ++worker) {
    sources.push_back(std::make_unique<PacketSource>(options, worker, workers, sockets[worker],
                                                     worker < spares.size() ? spares[worker] : -1, departures));
  }
  const auto device = find_network_device(sockets.front(), options.name);
  if (device && device->link_type != 0 && (workers == 1 || device->up)) {
    std::optional<std::uint16_t> group;
    for (auto& source : sources) {
      source->bind(*device);
      if (workers > 1) {
        // In the order of the sockets: the kernel numbers the members so, also after the interface was down.
        group = source->ring_->join_fanout(group, device->loopback);
        source->in_fanout_ = true;
      }
    }
    if (workers > 1) {
      sources.front()->ring_->set_fanout_program(fanout_program(device->link_type));
    }
    // Only now: a member sees the others' frames until all have joined.
    for (auto& source : sources) {
      source->open_gate();
    }
  }
  return {std::make_move_iterator(sources.begin()), std::make_move_iterator(sources.end())};
}

PacketSource::PacketSource(const InterfaceOptions& options, std::uint32_t worker, std::uint32_t workers, int socket,
                           int spare, Departures departures)
    : options_(options),
      worker_(worker),
      workers_(workers),
      spare_(spare),
      departures_(std::move(departures)),
      ring_(std::make_unique<PacketRing>(socket, options.ring_octets, options.snap_octets, options.block_timeout)) {}

PacketSource::~PacketSource() {
  if (spare_ >= 0) {
    close(spare_);
  }
}

void PacketSource::bind(const NetworkDevice& device) {
  if (auto problem = filter_problem(options_.filter, device.link_type); !problem.empty()) {
    throw std::invalid_argument("filter: " + problem);
  }
  ring_->bind(device.index);
  if (device.loopback) {
    ring_->ignore_outgoing();  // each packet is seen twice there
  }
  if (options_.promiscuous) {
    ring_->set_promiscuous(device.index);
  }
  link_type_ = device.link_type;
  largest_frame_ = device.mtu + kMostLinkOctets;
  state_.interface_index = device.index;
  state_.up = device.up;
}

void PacketSource::open_gate() {
  const auto shared = workers_ > 1 && !in_fanout_;
  Admission options{.filter = options_.filter,
                    .snap_octets = options_.snap_octets,
                    .link_type = link_type_,
                    .workers = shared ? workers_ : 1,
                    .worker = shared ? worker_ : 0};
  try {
    ring_->attach(admission(options));
  } catch (const std::system_error& error) {
    if (error.code().value() != ENOMEM) {
      throw;
    }
    // More than net.core.optmem_max allows: everything passes then, and PacketFilter alone decides.
    options.filter.clear();
    ring_->attach(admission(options));
  }
  departures_seen_ = departures_->load();
  state_.bound = true;
  state_.counts.appearances += 1;
  state_.last_error.clear();
}

void PacketSource::look_after() {
  read_counts();
  if (!state_.bound) {
    bind_if_there();
    return;
  }
  if (departing_ || is_intact()) {
    return;
  }
  // Gone, renamed or made anew. What came over it is read first.
  departures_->compare_exchange_strong(departures_seen_, departures_seen_ + 1);
  departures_seen_ = departures_->load();
  state_.up = false;
  ring_->close_gate();
  departing_ = true;
  departing_since_ = std::chrono::steady_clock::now();
}

// Is the interface still the one that we are bound to? Notes what has changed about it.
bool PacketSource::is_intact() {
  const auto device = find_network_device(ring_->socket(), options_.name);
  if (!device || device->index != state_.interface_index || ring_->bound_to() != state_.interface_index ||
      departures_->load() != departures_seen_) {
    return false;
  }
  state_.up = device->up;
  largest_frame_ = device->mtu + kMostLinkOctets;
  return true;
}

bool PacketSource::departed() const noexcept {
  const auto patience = workers_ > 1 ? std::max(settling_time(), kAllHaveNoticed) : settling_time();
  return departing_ && std::chrono::steady_clock::now() - departing_since_ >= patience;
}

void PacketSource::forget_interface() {
  read_counts();
  if (options_.promiscuous) {
    ring_->leave_promiscuous(state_.interface_index);  // it may exist still, under another name
  }
  departing_ = false;
  state_.bound = false;
  state_.interface_index = 0;
  bind_if_there();
}

void PacketSource::bind_if_there() {
  const auto device = find_network_device(ring_->socket(), options_.name);
  if (!device) {
    return;
  }
  if (device->link_type == 0) {
    state_.last_error = "its link type is not one that a packet ring can read";
    return;
  }
  try {
    if (in_fanout_) {
      ring_ = std::make_unique<PacketRing>(spare_, options_.ring_octets, options_.snap_octets, options_.block_timeout);
      spare_ = -1;
      in_fanout_ = false;
    }
    bind(*device);
    open_gate();
  } catch (const std::exception& error) {
    state_.interface_index = 0;
    state_.last_error = error.what();
  }
}

void PacketSource::read_counts() {
  const auto statistics = ring_->take_statistics();
  state_.counts.kernel_received += statistics.tp_packets;
  state_.counts.kernel_drops += statistics.tp_drops;
  state_.counts.freezes += statistics.tp_freeze_q_cnt;
}

}  // namespace spanflow
