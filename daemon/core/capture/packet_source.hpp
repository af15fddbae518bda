// SPDX-License-Identifier: Apache-2.0
// One worker's packet ring on an interface that may go and come.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "capture/live_source.hpp"
#include "capture/network_device.hpp"
#include "capture/packet_ring.hpp"

namespace spanflow {

struct InterfaceOptions {
  std::string name;
  std::string filter;  // pcap-filter(7)
  std::size_t ring_octets = std::size_t{64} << 20;
  std::chrono::milliseconds block_timeout{10};
  std::uint32_t snap_octets = 256;
  std::uint32_t exported_index = 0;  // 0: the kernel's
  bool promiscuous = true;
};

class PacketSource final : public LiveSource {
 public:
  // One source for each socket: worker n reads the n-th. AF_PACKET sockets, bound to nothing; `spares` as many, or
  // none. With several workers the kernel deals the frames in a fanout group. A member of such a group can never be
  // bound to another interface; when the interface is made anew, each worker takes its spare socket, whose filter lets
  // only this worker's share pass, and which can be bound again and again. An interface that is absent or down at the
  // start is waited for, with such filters from the beginning. Errors are std::system_error.
  static std::vector<std::unique_ptr<LiveSource>> open(const InterfaceOptions& options, const std::vector<int>& sockets,
                                                       const std::vector<int>& spares);

  // What the workers of an interface have in common: how often it has departed. One of them notices, all follow: a
  // fanout group that some members have left would deal frames in another way than their spare sockets do.
  using Departures = std::shared_ptr<std::atomic<std::uint64_t>>;

  PacketSource(const InterfaceOptions& options, std::uint32_t worker, std::uint32_t workers, int socket, int spare,
               Departures departures);
  ~PacketSource() override;

  [[nodiscard]] std::size_t next(std::span<Frame> frames) override {
    return ring_->next(frames, link_type_, largest_frame_);
  }
  void wait(int wake, std::chrono::milliseconds timeout) override { ring_->wait(wake, timeout); }
  void look_after() override;
  [[nodiscard]] bool departed() const noexcept override;
  void forget_interface() override;
  void read_counts() override;
  void close_gate() noexcept override { ring_->close_gate(); }
  // Older kernels count the block timeout in ticks of up to 10 ms, and want to see a block twice.
  [[nodiscard]] std::chrono::milliseconds settling_time() const noexcept override {
    return 2 * options_.block_timeout + std::chrono::milliseconds{30};
  }
  [[nodiscard]] std::uint16_t link_type() const noexcept override { return state_.bound ? link_type_ : 0; }
  [[nodiscard]] const CaptureState& state() const noexcept override { return state_; }
  [[nodiscard]] std::uint32_t first_interface() const noexcept override {
    return options_.exported_index != 0 ? options_.exported_index : state_.interface_index;
  }

 private:
  void bind(const NetworkDevice& device);
  void open_gate();
  void bind_if_there();
  [[nodiscard]] bool is_intact();

  InterfaceOptions options_;
  std::uint32_t worker_;
  std::uint32_t workers_;
  int spare_;
  Departures departures_;
  std::uint64_t departures_seen_ = 0;
  std::unique_ptr<PacketRing> ring_;
  bool in_fanout_ = false;
  std::uint16_t link_type_ = 0;
  std::uint32_t largest_frame_ = 0;
  bool departing_ = false;
  std::chrono::steady_clock::time_point departing_since_;
  CaptureState state_;
};

}  // namespace spanflow
