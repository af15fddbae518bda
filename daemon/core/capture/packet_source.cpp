// SPDX-License-Identifier: Apache-2.0
#include "capture/packet_source.hpp"

#include <unistd.h>

#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

#include "capture/filter.hpp"

namespace spanflow {
namespace {

// Of an Ethernet header and two tags: what a frame may be longer than the MTU.
constexpr std::uint32_t kMostLinkOctets = 14 + 2 * 4;

}  // namespace

std::vector<std::unique_ptr<LiveSource>> PacketSource::open(const InterfaceOptions& options,
                                                            const std::vector<int>& sockets,
                                                            const std::vector<int>& spares) {
  const auto workers = static_cast<std::uint32_t>(sockets.size());
  std::vector<std::unique_ptr<PacketSource>> sources;
  for (std::uint32_t worker = 0; worker < workers; ++worker) {
    sources.push_back(std::make_unique<PacketSource>(options, worker, workers, sockets[worker],
                                                     worker < spares.size() ? spares[worker] : -1));
  }
  const auto device = find_network_device(sockets.front(), options.name);
  if (device && device->link_type != 0 && (workers == 1 || device->up)) {
    std::optional<std::uint16_t> group;
    for (auto& source : sources) {
      source->bind(*device);
      if (workers > 1) {
        // In the order of the sockets: the kernel numbers the members so, also after the interface was down.
        group = source->ring_->join_fanout(group);
        source->in_fanout_ = true;
      }
    }
    if (workers > 1) {
      sources.front()->ring_->set_fanout_program(fanout_program());
    }
    // Only now: a member sees the others' frames until all have joined.
    for (auto& source : sources) {
      source->open_gate();
    }
  }
  return {std::make_move_iterator(sources.begin()), std::make_move_iterator(sources.end())};
}

PacketSource::PacketSource(const InterfaceOptions& options, std::uint32_t worker, std::uint32_t workers, int socket,
                           int spare)
    : options_(options),
      worker_(worker),
      workers_(workers),
      spare_(spare),
      ring_(std::make_unique<PacketRing>(socket, options.ring_octets, options.block_timeout)) {}

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
  state_.bound = true;
  state_.up = device.up;
  state_.counts.appearances += 1;
  state_.last_error.clear();
}

void PacketSource::open_gate() {
  const auto shared = workers_ > 1 && !in_fanout_;
  ring_->attach(admission(Admission{.filter = options_.filter,
                                    .snap_octets = options_.snap_octets,
                                    .link_type = link_type_,
                                    .workers = shared ? workers_ : 1,
                                    .worker = shared ? worker_ : 0}));
}

std::size_t PacketSource::next(std::span<Frame> frames) {
  return ring_->next(frames, link_type_, largest_frame_, state_.counts.merged_frames);
}

void PacketSource::look_after() {
  read_statistics();
  if (!state_.bound) {
    bind_if_there();
    return;
  }
  if (departing_) {
    return;
  }
  const auto device = find_network_device(ring_->socket(), options_.name);
  if (device && device->index == state_.interface_index && ring_->bound_to() == state_.interface_index) {
    state_.up = device->up;
    largest_frame_ = device->mtu + kMostLinkOctets;
    return;
  }
  // Gone, renamed or made anew. What came over it is read first.
  state_.up = false;
  ring_->attach(closed_gate());
  departing_ = true;
  departing_since_ = std::chrono::steady_clock::now();
}

bool PacketSource::departed() const noexcept {
  return departing_ && std::chrono::steady_clock::now() - departing_since_ >= settling_time();
}

void PacketSource::forget_interface() {
  read_statistics();
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
      ring_ = std::make_unique<PacketRing>(std::exchange(spare_, -1), options_.ring_octets, options_.block_timeout);
      in_fanout_ = false;
    }
    bind(*device);
    open_gate();
  } catch (const std::exception& error) {
    state_.bound = false;
    state_.last_error = error.what();
  }
}

void PacketSource::close_gate() { ring_->attach(closed_gate()); }

void PacketSource::read_statistics() {
  const auto statistics = ring_->take_statistics();
  state_.counts.kernel_received += statistics.tp_packets;
  state_.counts.kernel_drops += statistics.tp_drops;
  state_.counts.freezes += statistics.tp_freeze_q_cnt;
}

}  // namespace spanflow
