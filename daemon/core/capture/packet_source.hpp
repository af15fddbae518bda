// SPDX-License-Identifier: Apache-2.0
// One worker's packet ring on an interface that may go and come.
#pragma once

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

  PacketSource(const InterfaceOptions& options, std::uint32_t worker, std::uint32_t workers, int socket, int spare);
  ~PacketSource() override;

  [[nodiscard]] std::size_t next(std::span<Frame> frames) override;
  void wait(int wake, std::chrono::milliseconds timeout) override { ring_->wait(wake, timeout); }
  void look_after() override;
  [[nodiscard]] bool departed() const noexcept override;
  void forget_interface() override;
  void close_gate() override;
  [[nodiscard]] std::chrono::milliseconds settling_time() const noexcept override { return 3 * options_.block_timeout; }
  [[nodiscard]] const CaptureState& state() const noexcept override { return state_; }
  [[nodiscard]] std::uint32_t first_interface() const noexcept override {
    return options_.exported_index != 0 ? options_.exported_index : state_.interface_index;
  }

 private:
  void bind(const NetworkDevice& device);
  void open_gate();
  void bind_if_there();
  void read_statistics();

  InterfaceOptions options_;
  std::uint32_t worker_;
  std::uint32_t workers_;
  int spare_;
  std::unique_ptr<PacketRing> ring_;
  bool in_fanout_ = false;
  std::uint16_t link_type_ = 0;
  std::uint32_t largest_frame_ = 0;
  bool departing_ = false;
  std::chrono::steady_clock::time_point departing_since_;
  CaptureState state_;
};

}  // namespace spanflow
