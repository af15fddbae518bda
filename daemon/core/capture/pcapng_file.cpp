// SPDX-License-Identifier: Apache-2.0
//   block             type 4 | whole length 4 | body | whole length 4
//   section header    byte-order magic 4 | version 2+2 | section length 8 | options
//   interface         link type 2 | reserved 2 | snap length 4 | options
//   enhanced packet   interface 4 | time high 4 | time low 4 | captured 4 | on the wire 4 | octets | options
//   simple packet     on the wire 4 | octets
//   packet (old)      interface 2 | drops 2 | time high 4 | time low 4 | captured 4 | on the wire 4 | octets | options
#include "capture/pcapng_file.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "capture/time_limits.hpp"

namespace spanflow {
namespace {

struct BlockType {
  static constexpr std::uint32_t interface_description = 1;
  static constexpr std::uint32_t packet = 2;
  static constexpr std::uint32_t simple_packet = 3;
  static constexpr std::uint32_t enhanced_packet = 6;
};

constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr std::size_t kBlockHeader = 8;
constexpr std::size_t kBlockFrame = 12;  // the header and the second length
constexpr std::size_t kMostInterfaces = 65'535;

}  // namespace

std::int64_t PcapngFile::Interface::time_ns(std::uint64_t ticks) const noexcept {
  constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  const int exponent = resolution & 0x7f;
  __int128 ns = ticks;
  if ((resolution & 0x80) != 0) {
    ns = exponent > 94 ? 0 : (ns * kNsPerSecond) >> exponent;
  } else {
    for (int power = exponent; power < 9; ++power) {
      ns *= 10;
    }
    for (int power = exponent; power > 9 && ns != 0; --power) {
      ns /= 10;
    }
  }
  ns += static_cast<__int128>(offset_seconds) * kNsPerSecond;
  return static_cast<std::int64_t>(std::clamp<__int128>(ns, 0, kLatestTimeNs));
}

void PcapngFile::damaged(const std::string& what) {
  problem_ = Problem{
      .kind = Problem::Kind::damaged,
      .text = "block at octet " + std::to_string(stream_->offset()) + ": " + what + "; what came before it is metered"};
}

void PcapngFile::end_of_input() {
  if (problem_ || stream_->stopped()) {
    return;
  }
  if (stream_->error() != 0) {
    problem_ = Problem{.kind = Problem::Kind::unreadable, .text = std::strerror(stream_->error())};
  } else if (stream_->available() > 0) {
    damaged("cut off");
  }
}

bool PcapngFile::block_is_there(bool may_read, Block& block) {
  const auto there = [&](std::size_t octets) {
    return stream_->available() >= octets || (may_read && stream_->fill(octets));
  };
  for (;;) {
    if (!there(kBlockFrame)) {
      return false;
    }
    const auto type = order_.u32(stream_->data());
    auto order = order_;
    if (type == kSectionHeader) {  // reads the same in both orders; its magic tells which one begins
      order = FileOrder(FileOrder().u32(stream_->data() + kBlockHeader) != kByteOrderMagic);
    }
    const std::size_t whole = order.u32(stream_->data() + 4);
    const auto wanted = type == kSectionHeader || type == BlockType::interface_description ||
                        type == BlockType::packet || type == BlockType::simple_packet ||
                        type == BlockType::enhanced_packet;
    if (whole < kBlockFrame || whole % 4 != 0 || (wanted && whole > ByteStream::kLargestRecord)) {
      if (may_read) {
        damaged("a length of " + std::to_string(whole) + " octets cannot be");
      }
      return false;
    }
    if (!wanted) {
      if (whole <= stream_->available()) {
        stream_->consume(whole);
        continue;
      }
      if (!may_read) {
        return false;
      }
      if (!stream_->skip(whole)) {
        damaged("cut off");
        return false;
      }
      continue;
    }
    if (!there(whole)) {
      return false;
    }
    if (order.u32(stream_->data() + whole - 4) != whole) {
      if (may_read) {
        damaged("its two lengths differ");
      }
      return false;
    }
    block = Block{.type = type, .body = stream_->data() + kBlockHeader, .octets = whole - kBlockFrame, .whole = whole};
    return true;
  }
}

void PcapngFile::begin_section(const Block& block) {
  if (block.octets < 16) {
    damaged("a section header of " + std::to_string(block.octets) + " octets is too short");
    return;
  }
  const auto magic = FileOrder().u32(block.body);
  if (magic != kByteOrderMagic && magic != __builtin_bswap32(kByteOrderMagic)) {
    damaged("no byte-order magic");
    return;
  }
  order_ = FileOrder(magic != kByteOrderMagic);
  if (const auto major = order_.u16(block.body + 4); major != 1) {
    damaged("version " + std::to_string(major) + " of the format is not known");
    return;
  }
  interfaces_.clear();
}

void PcapngFile::describe_interface(const Block& block) {
  constexpr std::uint16_t kTimeResolution = 9;
  constexpr std::uint16_t kTimeOffset = 14;
  if (block.octets < 8 || interfaces_.size() == kMostInterfaces) {
    damaged(block.octets < 8 ? "an interface description is too short" : "more than 65,535 interfaces");
    return;
  }
  auto& interface = interfaces_.emplace_back();
  interface.link_type = order_.u16(block.body);
  interface.snap_length = order_.u32(block.body + 4);
  for (std::size_t at = 8; at + 4 <= block.octets;) {
    const auto code = order_.u16(block.body + at);
    const std::size_t length = order_.u16(block.body + at + 2);
    const auto* value = block.body + at + 4;
    if (code == 0 || at + 4 + length > block.octets) {
      break;
    }
    if (code == kTimeResolution && length >= 1) {
      interface.resolution = std::to_integer<std::uint8_t>(*value);
    } else if (code == kTimeOffset && length >= 8) {
      interface.offset_seconds = static_cast<std::int64_t>(order_.u64(value));
    }
    at += 4 + (length + 3) / 4 * 4;
  }
}

bool PcapngFile::packet(const Block& block, std::uint32_t interface, std::size_t header, std::uint32_t captured,
                        std::uint32_t wire, std::uint64_t ticks, Frame& frame) {
  if (interface >= interfaces_.size()) {
    damaged("its section has not described interface " + std::to_string(interface));
    return false;
  }
  if (captured > block.octets - header) {
    damaged("it claims " + std::to_string(captured) + " captured octets and has " +
            std::to_string(block.octets - header));
    return false;
  }
  last_time_ns_ = interfaces_[interface].time_ns(ticks);
  frame = Frame{.data = block.body + header,
                .captured_octets = captured,
                .wire_octets = std::max(wire, captured),
                .time_ns = last_time_ns_,
                .link_type = interfaces_[interface].link_type,
                .interface = static_cast<std::uint16_t>(interface)};
  return true;
}

bool PcapngFile::simple_packet(const Block& block, Frame& frame) {
  if (interfaces_.empty()) {
    damaged("its section has not described interface 0");
    return false;
  }
  const auto& interface = interfaces_.front();
  const auto wire = order_.u32(block.body);
  auto captured = std::min<std::size_t>(wire, block.octets - 4);
  if (interface.snap_length != 0) {
    captured = std::min<std::size_t>(captured, interface.snap_length);
  }
  frame = Frame{.data = block.body + 4,
                .captured_octets = static_cast<std::uint32_t>(captured),
                .wire_octets = wire,
                .time_ns = last_time_ns_,
                .link_type = interface.link_type,
                .interface = 0};
  return true;
}

// True when the block is a packet. Everything that is wrong with it is in `problem_`.
bool PcapngFile::read_block(const Block& block, Frame& frame) {
  const auto* body = block.body;
  const auto too_short = [&](std::size_t octets) {
    if (block.octets < octets) {
      damaged("a packet block of " + std::to_string(block.octets) + " octets is too short");
    }
    return block.octets < octets;
  };
  const auto ticks = [&] { return std::uint64_t{order_.u32(body + 4)} << 32 | order_.u32(body + 8); };
  switch (block.type) {
    case kSectionHeader: begin_section(block); return false;
    case BlockType::interface_description: describe_interface(block); return false;
    case BlockType::enhanced_packet:
      return !too_short(20) &&
             packet(block, order_.u32(body), 20, order_.u32(body + 12), order_.u32(body + 16), ticks(), frame);
    case BlockType::packet:
      return !too_short(20) &&
             packet(block, order_.u16(body), 20, order_.u32(body + 12), order_.u32(body + 16), ticks(), frame);
    case BlockType::simple_packet: return !too_short(4) && simple_packet(block, frame);
    default: return false;
  }
}

std::size_t PcapngFile::next(std::span<Frame> frames) {
  std::size_t count = 0;
  Block block;
  while (!problem_ && count < frames.size() && block_is_there(count == 0, block)) {
    const auto is_packet = read_block(block, frames[count]);
    if (problem_) {
      break;
    }
    stream_->consume(block.whole);
    count += is_packet ? 1 : 0;
  }
  if (count == 0) {
    end_of_input();
  }
  return count;
}

}  // namespace spanflow
