// SPDX-License-Identifier: Apache-2.0
#include "expire/end_of_flow.hpp"

#include <algorithm>

#include "decode/packet.hpp"

namespace spanflow {

Deadline next_deadline(const HotFlow& flow, const ColdFlow& cold, const Timeouts& timeouts) noexcept {
  if ((flow.state & FlowState::ended) != 0) {
    const auto detail = (flow.state & FlowState::ended_by_rst) != 0 ? EndDetail::rst : EndDetail::fin;
    return Deadline{.time_ns = cold.ended_ns + timeouts.tcp_linger_ns, .detail = detail};
  }
  auto next = Deadline{.time_ns = flow.last_ns + timeouts.inactive_ns, .detail = EndDetail::idle};
  if ((flow.state & FlowState::empty) == 0) {
    const auto first_ns = flow.directions[0].packets == 0   ? cold.first_ns[1]
                          : flow.directions[1].packets == 0 ? cold.first_ns[0]
                                                            : std::min(cold.first_ns[0], cold.first_ns[1]);
    if (const auto active_ns = first_ns + timeouts.active_ns; active_ns < next.time_ns) {
      next = Deadline{.time_ns = active_ns, .detail = EndDetail::active};
    }
  }
  const auto fins = flow.state & FlowState::any_fin;
  if (fins == FlowState::fin_low || fins == FlowState::fin_high) {
    if (const auto fin_ns = flow.last_ns + timeouts.tcp_fin_timeout_ns; fin_ns < next.time_ns) {
      next = Deadline{.time_ns = fin_ns, .detail = EndDetail::fin_timeout};
    }
  }
  return next;
}

bool follow_tcp(HotFlow& flow, ColdFlow& cold, std::size_t direction, std::uint16_t flags,
                std::int64_t time_ns) noexcept {
  if ((flow.state & FlowState::ended) != 0) {
    return false;
  }
  const auto end = [&](std::uint16_t how) {
    flow.state |= how;
    cold.ended_ns = time_ns;
    return true;
  };
  if ((flags & TcpFlag::rst) != 0) {
    return end(FlowState::ended_by_rst);
  }
  const auto both_closed = (flow.state & FlowState::any_fin) == FlowState::any_fin;
  if ((flags & TcpFlag::fin) == 0) {
    // Only the side that received the last FIN can acknowledge it; the number is not examined.
    const std::size_t last_fin = (flow.state & FlowState::last_fin_high) != 0 ? 1 : 0;
    return both_closed && (flags & TcpFlag::ack) != 0 && direction != last_fin ? end(FlowState::ended_by_fin) : false;
  }
  const auto own_fin = direction == 0 ? FlowState::fin_low : FlowState::fin_high;
  if ((flow.state & own_fin) != 0) {
    return false;  // a retransmission: of FINs only the first of each side counts
  }
  flow.state |= own_fin;
  if ((flow.state & FlowState::any_fin) == FlowState::any_fin && direction == 1) {
    flow.state |= FlowState::last_fin_high;
  }
  return true;
}

}  // namespace spanflow
