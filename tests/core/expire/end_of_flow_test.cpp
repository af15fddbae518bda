// SPDX-License-Identifier: Apache-2.0
#include "expire/end_of_flow.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "decode/packet.hpp"

using namespace spanflow;

namespace {

constexpr auto kFin = TcpFlag::fin;
constexpr auto kAck = TcpFlag::ack;
constexpr auto kRst = TcpFlag::rst;

struct Flow {
  HotFlow hot{};
  ColdFlow cold{};

  bool segment(std::size_t direction, std::uint16_t flags, std::int64_t time_ns) {
    return follow_tcp(hot, cold, direction, flags, time_ns);
  }
  [[nodiscard]] bool ended() const { return (hot.state & FlowState::ended) != 0; }
};

Flow with_packets(std::int64_t first_ns, std::int64_t last_ns) {
  Flow flow;
  flow.hot.directions[0].packets = 1;
  flow.cold.first_ns[0] = first_ns;
  flow.hot.last_ns = last_ns;
  return flow;
}

constexpr Timeouts kTimeouts{.active_ns = 60, .inactive_ns = 15, .tcp_linger_ns = 2, .tcp_fin_timeout_ns = kNever};

}  // namespace

TEST_CASE("FIN, FIN, and the ACK of who received the last FIN") {
  for (const std::size_t first : {0U, 1U}) {
    CAPTURE(first);
    Flow flow;
    CHECK(flow.segment(first, kFin | kAck, 1));
    CHECK_FALSE(flow.segment(1 - first, kAck, 2));  // a half close
    CHECK(flow.segment(1 - first, kFin | kAck, 3));
    CHECK_FALSE(flow.segment(1 - first, kAck, 4));  // who sent the last FIN cannot acknowledge it
    CHECK_FALSE(flow.ended());
    CHECK(flow.segment(first, kAck, 5));
    CHECK(flow.ended());
    CHECK(flow.cold.ended_ns == 5);
    CHECK_FALSE(flow.segment(first, kRst, 6));  // the end does not move
    CHECK(flow.cold.ended_ns == 5);
    CHECK(next_deadline(flow.hot, flow.cold, kTimeouts).detail == EndDetail::fin);
  }
}

TEST_CASE("of FINs only the first of each side counts") {
  Flow flow;
  CHECK(flow.segment(0, kFin | kAck, 1));
  CHECK_FALSE(flow.segment(0, kFin | kAck, 2));
  CHECK(flow.segment(1, kFin | kAck, 3));
  CHECK_FALSE(flow.segment(0, kFin | kAck, 4));  // with FIN it is no acknowledgement
  CHECK_FALSE(flow.ended());
  CHECK(flow.segment(0, kAck, 5));
  CHECK(flow.ended());
}

TEST_CASE("RST ends at once, whatever else the segment says") {
  Flow flow;
  CHECK(flow.segment(1, kRst | kFin | kAck, 9));
  CHECK(flow.ended());
  CHECK(next_deadline(flow.hot, flow.cold, kTimeouts).detail == EndDetail::rst);
  CHECK(next_deadline(flow.hot, flow.cold, kTimeouts).time_ns == 11);
}

TEST_CASE("deadlines: the earliest; on a tie idle, active, fin_timeout") {
  struct Row {
    const char* name;
    std::int64_t first, last;
    std::uint16_t state;
    std::int64_t fin_timeout;
    EndDetail detail;
    std::int64_t time;
  };
  const std::vector<Row> rows = {
      {"idle", 0, 10, 0, kNever, EndDetail::idle, 25},
      {"active", 0, 50, 0, kNever, EndDetail::active, 60},
      {"tie of idle and active", 0, 45, 0, kNever, EndDetail::idle, 60},
      {"empty: no active", 0, 50, FlowState::empty, kNever, EndDetail::idle, 65},
      {"half closed", 0, 10, FlowState::fin_low, 5, EndDetail::fin_timeout, 15},
      {"both closed: not half", 0, 10, FlowState::any_fin, 5, EndDetail::idle, 25},
      {"tie of idle and fin_timeout", 0, 10, FlowState::fin_high, 15, EndDetail::idle, 25},
      {"tie of active and fin_timeout", 0, 50, FlowState::fin_high, 10, EndDetail::active, 60},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    auto flow = with_packets(row.first, row.last);
    flow.hot.state = row.state;
    auto timeouts = kTimeouts;
    timeouts.tcp_fin_timeout_ns = row.fin_timeout;
    const auto deadline = next_deadline(flow.hot, flow.cold, timeouts);
    CHECK(deadline.detail == row.detail);
    CHECK(deadline.time_ns == row.time);
  }
}

TEST_CASE("a deadline counts as reached at its time, a linger only after it") {
  CHECK(Deadline{.time_ns = 10, .detail = EndDetail::idle}.reached_at(10));
  CHECK_FALSE(Deadline{.time_ns = 10, .detail = EndDetail::idle}.reached_at(9));
  CHECK_FALSE(Deadline{.time_ns = 10, .detail = EndDetail::rst}.reached_at(10));
  CHECK(Deadline{.time_ns = 10, .detail = EndDetail::fin}.reached_at(11));
}
