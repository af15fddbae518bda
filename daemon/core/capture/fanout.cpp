// SPDX-License-Identifier: Apache-2.0
#include "capture/fanout.hpp"

#include "decode/decode.hpp"

namespace spanflow {

std::uint32_t worker_of(const Frame& frame, std::uint32_t workers) noexcept {
  Cursor cursor(frame.data, frame.captured_octets, frame.wire_octets);
  Link link;
  if (decode_link(frame.link_type, cursor, link) != Discard::none) {
    return 0;
  }
  std::uint32_t hash = 0;
  switch (cursor.peek<1>().u8<0>() >> 4) {
    case 4: {
      const auto header = cursor.peek<20>();
      hash = header.be32<12>() ^ header.be32<16>();
      break;
    }
    case 6: {
      const auto header = cursor.peek<40>();
      hash = header.be32<8>() ^ header.be32<12>() ^ header.be32<16>() ^ header.be32<20>() ^ header.be32<24>() ^
             header.be32<28>() ^ header.be32<32>() ^ header.be32<36>();
      break;
    }
    default: break;
  }
  hash ^= hash >> 16;
  hash ^= hash >> 8;
  return hash % workers;
}

}  // namespace spanflow
