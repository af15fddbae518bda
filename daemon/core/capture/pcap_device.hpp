// SPDX-License-Identifier: Apache-2.0
// Devices that a packet ring cannot read (`any`, nflog, usbmon, links with headers of their own), through libpcap.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "capture/live_source.hpp"

struct pcap;

namespace spanflow {

struct PcapDeviceOptions {
  std::string name;
  std::uint32_t snap_octets = 256;
  std::size_t buffer_octets = std::size_t{64} << 20;
  std::chrono::milliseconds timeout{10};
  bool promiscuous = true;
};

// Frames are copied: libpcap gives the memory back to the kernel before the next one is asked for.
class PcapDevice final : public LiveSource {
 public:
  // Needs CAP_NET_RAW. Throws std::system_error: EPERM, ENODEV, ENETDOWN, or EIO with what libpcap says.
  explicit PcapDevice(const PcapDeviceOptions& options);
  ~PcapDevice() override;

  // The exported ifIndex; 0: the kernel's.
  void set_exported_index(std::uint32_t index) noexcept { exported_index_ = index; }

  [[nodiscard]] std::size_t next(std::span<Frame> frames) override;
  void wait(int wake, std::chrono::milliseconds timeout) override;
  void look_after() override;
  // Once it is gone it cannot be opened again: that would take the capability that we no longer have.
  [[nodiscard]] bool departed() const noexcept override { return false; }
  void forget_interface() override {}
  void read_counts() override;
  void close_gate() noexcept override;
  [[nodiscard]] std::chrono::milliseconds settling_time() const noexcept override {
    return 2 * timeout_ + std::chrono::milliseconds{30};
  }
  [[nodiscard]] const CaptureState& state() const noexcept override { return state_; }
  [[nodiscard]] std::uint32_t first_interface() const noexcept override;
  [[nodiscard]] std::uint16_t link_type() const noexcept override { return link_type_; }

 private:
  struct Closer {
    void operator()(pcap* handle) const noexcept;
  };

  static void take(unsigned char* self, const void* header, const unsigned char* data);
  void keep(std::uint32_t captured, std::uint32_t wire, std::int64_t time_ns, const std::byte* data);
  [[nodiscard]] bool is_outgoing_copy(const Frame& frame) const noexcept;

  std::string name_;
  std::chrono::milliseconds timeout_;
  std::uint32_t exported_index_ = 0;
  std::unique_ptr<pcap, Closer> handle_;
  std::uint16_t link_type_ = 0;
  std::size_t snap_octets_;
  std::vector<std::byte> octets_;
  std::vector<Frame> frames_;
  std::uint32_t last_received_ = 0;  // as libpcap counts: 32 bits that wrap
  std::uint32_t last_dropped_ = 0;
  CaptureState state_;
};

}  // namespace spanflow
