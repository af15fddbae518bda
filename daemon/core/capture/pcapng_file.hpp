// SPDX-License-Identifier: Apache-2.0
// pcapng: sections in either byte order, several interfaces with link types and time resolutions of their own.
#pragma once

#include <memory>
#include <vector>

#include "capture/byte_stream.hpp"
#include "capture/source.hpp"

namespace spanflow {

class PcapngFile final : public Source {
 public:
  static constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;

  // The stream stands at the first Section Header Block.
  explicit PcapngFile(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {}

  [[nodiscard]] std::size_t next(std::span<Frame> frames) override;
  [[nodiscard]] const Problem& problem() const noexcept override { return problem_; }
  [[nodiscard]] std::uint64_t octets_read() const noexcept override { return stream_->octets_read(); }
  [[nodiscard]] bool may_block() const noexcept override { return stream_->may_block(); }
  [[nodiscard]] std::shared_ptr<const ByteBuffer> octets() noexcept override { return stream_->share(); }

 private:
  struct Interface {
    std::uint16_t link_type = 0;
    std::uint32_t snap_length = 0;
    std::uint8_t resolution = 6;  // if_tsresol: a negative power of 10, or of 2 with the high bit set
    std::int64_t offset_seconds = 0;

    [[nodiscard]] std::int64_t time_ns(std::uint64_t ticks) const noexcept;
  };

  // A block whose octets are all in the buffer: what lies between its two lengths.
  struct Block {
    std::uint32_t type = 0;
    const std::byte* body = nullptr;
    std::size_t octets = 0;
    std::size_t whole = 0;
  };

  [[nodiscard]] bool block_is_there(bool may_read, Block& block);
  [[nodiscard]] bool read_block(const Block& block, Frame& frame);
  void begin_section(const Block& block);
  void describe_interface(const Block& block);
  [[nodiscard]] bool packet(const Block& block, std::uint32_t interface, std::size_t header, std::uint32_t captured,
                            std::uint32_t wire, std::uint64_t ticks, Frame& frame);
  [[nodiscard]] bool simple_packet(const Block& block, Frame& frame);
  void damaged(const std::string& what);
  void end_of_input();

  std::unique_ptr<ByteStream> stream_;
  FileOrder order_;
  Problem problem_;
  std::vector<Interface> interfaces_;
  std::int64_t last_time_ns_ = 0;  // a Simple Packet Block has no time of its own: that of the packet before it
};

}  // namespace spanflow
