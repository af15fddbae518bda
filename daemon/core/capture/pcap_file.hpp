// SPDX-License-Identifier: Apache-2.0
// Classic pcap: microseconds or nanoseconds, either byte order.
#pragma once

#include <memory>

#include "capture/byte_stream.hpp"
#include "capture/source.hpp"

namespace spanflow {

class PcapFile final : public Source {
 public:
  // Is this the magic number of such a file?
  [[nodiscard]] static bool recognises(std::uint32_t magic) noexcept;

  // The stream stands at the file header.
  explicit PcapFile(std::unique_ptr<ByteStream> stream);

  [[nodiscard]] std::size_t next(std::span<Frame> frames) override;
  [[nodiscard]] const Problem& problem() const noexcept override { return problem_; }
  [[nodiscard]] std::uint64_t octets_read() const noexcept override { return stream_->octets_read(); }
  [[nodiscard]] bool may_block() const noexcept override { return stream_->may_block(); }
  [[nodiscard]] std::shared_ptr<const ByteBuffer> octets() noexcept override { return stream_->share(); }

 private:
  void read_header();
  [[nodiscard]] std::size_t take_records(std::span<Frame> frames);
  [[nodiscard]] bool read_record();
  void end_of_input();

  std::unique_ptr<ByteStream> stream_;
  FileOrder order_;
  Problem problem_;
  std::uint64_t records_ = 0;
  std::int64_t ns_per_fraction_ = 1'000;
  std::size_t record_header_octets_ = 16;
  std::uint16_t link_type_ = 0;
};

}  // namespace spanflow
