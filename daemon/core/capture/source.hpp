// SPDX-License-Identifier: Apache-2.0
// Where frames come from.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "decode/packet.hpp"

namespace spanflow {

// What went wrong with an input, for a person: what is wrong and what to do. The path is put before it elsewhere.
struct Problem {
  enum class Kind : std::uint8_t { none, unreadable, not_found, not_permitted, not_a_capture, damaged, unsupported };

  Kind kind = Kind::none;
  std::string text;

  explicit operator bool() const noexcept { return kind != Kind::none; }
};

class ByteBuffer;

class Source {
 public:
  Source() = default;
  virtual ~Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  // The next frames, in order; they stay valid until the next call. 0: the end, or a problem. `clock_ns` is left alone.
  [[nodiscard]] virtual std::size_t next(std::span<Frame> frames) = 0;

  // Why the last call of next() gave nothing, if not for the end.
  [[nodiscard]] virtual const Problem& problem() const noexcept = 0;

  [[nodiscard]] virtual std::uint64_t octets_read() const noexcept = 0;

  // Whether next() may wait for somebody to write: a pipe.
  [[nodiscard]] virtual bool may_block() const noexcept = 0;

  // What the frames of the last call of next() lie in: they stay valid as long as somebody has it.
  [[nodiscard]] virtual std::shared_ptr<const ByteBuffer> octets() noexcept = 0;
};

// Opens a pcap or pcapng file, or standard input for "-". Null with `problem` filled when it is none. `stop` set ends a
// pipe on which nothing comes; it outlives the source.
[[nodiscard]] std::unique_ptr<Source> open_capture_file(const std::string& path, const std::atomic<bool>& stop,
                                                        Problem& problem);

}  // namespace spanflow
