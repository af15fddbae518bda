// SPDX-License-Identifier: Apache-2.0
//   file header    magic 4 | version 2+2 | zone 4 | accuracy 4 | snap length 4 | link type 4
//   record header  seconds 4 | fraction 4 | captured octets 4 | octets on the wire 4
#include "capture/pcap_file.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace spanflow {
namespace {

constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4;
constexpr std::uint32_t kNanoseconds = 0xa1b23c4d;
constexpr std::uint32_t kModified = 0xa1b2cd34;  // record headers are 24 octets; the last 8 say nothing to us
constexpr std::size_t kFileHeader = 24;

}  // namespace

bool PcapFile::recognises(std::uint32_t magic) noexcept {
  for (const auto known : {kMicroseconds, kNanoseconds, kModified}) {
    if (magic == known || magic == __builtin_bswap32(known)) {
      return true;
    }
  }
  return false;
}

PcapFile::PcapFile(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) { read_header(); }

void PcapFile::read_header() {
  if (!stream_->fill(kFileHeader)) {
    problem_ = Problem{.kind = Problem::Kind::damaged, .text = "cut off inside the file header; capture it again"};
    return;
  }
  auto magic = FileOrder().u32(stream_->data());
  const auto swapped = magic != kMicroseconds && magic != kNanoseconds && magic != kModified;
  order_ = FileOrder(swapped);
  magic = order_.u32(stream_->data());
  ns_per_fraction_ = magic == kNanoseconds ? 1 : 1'000;
  record_header_octets_ = magic == kModified ? 24 : 16;
  link_type_ = static_cast<std::uint16_t>(order_.u32(stream_->data() + 20));  // the high half tells of the FCS
  stream_->consume(kFileHeader);
}

// Reads on until the record at which the stream stands is whole in the buffer.
bool PcapFile::read_record() {
  if (!stream_->fill(record_header_octets_)) {
    return false;
  }
  const std::size_t captured = order_.u32(stream_->data() + 8);
  if (captured > ByteStream::kLargestRecord - record_header_octets_) {
    problem_ =
        Problem{.kind = Problem::Kind::damaged,
                .text = "record " + std::to_string(records_ + 1) + " at octet " + std::to_string(stream_->offset()) +
                        " claims " + std::to_string(captured) + " octets; what came before it is metered"};
    return false;
  }
  return stream_->fill(record_header_octets_ + captured);
}

void PcapFile::end_of_input() {
  if (problem_ || stream_->stopped()) {
    return;
  }
  if (stream_->error() != 0) {
    problem_ = Problem{.kind = Problem::Kind::unreadable, .text = std::strerror(stream_->error())};
  } else if (stream_->available() > 0) {
    problem_ = Problem{.kind = Problem::Kind::damaged,
                       .text = "cut off inside record " + std::to_string(records_ + 1) + " at octet " +
                               std::to_string(stream_->offset()) + "; what came before it is metered"};
  }
}

// Frames of the whole records in the buffer.
std::size_t PcapFile::take_records(std::span<Frame> frames) {
  const auto header = record_header_octets_;
  const auto* record = stream_->data();
  auto left = stream_->available();
  std::size_t count = 0;
  while (count < frames.size() && left >= header) {
    const std::size_t captured = order_.u32(record + 8);
    if (left - header < captured) {
      break;
    }
    frames[count++] = Frame{.data = record + header,
                            .captured_octets = static_cast<std::uint32_t>(captured),
                            .wire_octets = std::max(order_.u32(record + 12), static_cast<std::uint32_t>(captured)),
                            .time_ns = std::int64_t{order_.u32(record)} * 1'000'000'000 +
                                       std::int64_t{order_.u32(record + 4)} * ns_per_fraction_,
                            .link_type = link_type_};
    record += header + captured;
    left -= header + captured;
  }
  stream_->consume(stream_->available() - left);
  records_ += count;
  return count;
}

std::size_t PcapFile::next(std::span<Frame> frames) {
  if (problem_) {
    return 0;
  }
  if (const auto count = take_records(frames); count != 0) {
    return count;
  }
  if (!read_record()) {
    end_of_input();
    return 0;
  }
  return take_records(frames);
}

}  // namespace spanflow
