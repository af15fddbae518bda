// SPDX-License-Identifier: Apache-2.0
// What lies around an engine, with one that does what the payload says (fake_engine.cpp).
#include "classify/detection.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "metering_process.hpp"
#include "octets.hpp"

using namespace spanflow;
using namespace std::chrono_literals;
using spanflow::test::hex;
using spanflow::test::operator+;
using spanflow::test::Octets;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::uint16_t kDecided = 1, kNamed = 2, kGivenUp = 3, kGuessed = 4;

void write_length(Octets& octets) {
  octets[2] = static_cast<std::byte>(octets.size() >> 8);
  octets[3] = static_cast<std::byte>(octets.size());
}

void append(Octets& octets, std::string_view text) {
  for (const char letter : text) {
    octets.push_back(static_cast<std::byte>(letter));
  }
  write_length(octets);
}

// From 10.0.0.1:<port> to 10.0.0.250:53.
Octets udp(std::uint16_t port, std::string_view payload) {
  auto octets = hex("4500001c 00000000 40110000 0a000001 0a0000fa 0000 0035 0008 0000");
  octets[20] = static_cast<std::byte>(port >> 8);
  octets[21] = static_cast<std::byte>(port);
  append(octets, payload);
  return octets;
}

// The other way round.
Octets udp_answer(std::uint16_t port, std::string_view payload) {
  auto octets = hex("4500001c 00000000 40110000 0a0000fa 0a000001 0035 0000 0008 0000");
  octets[22] = static_cast<std::byte>(port >> 8);
  octets[23] = static_cast<std::byte>(port);
  append(octets, payload);
  return octets;
}

Octets tcp(std::uint8_t flags, std::string_view payload) {
  auto octets = hex("45000028 00000000 40060000 0a000001 0a0000fa 9000 01bb 00000001 00000001 5000 0000 0000 0000");
  octets[33] = static_cast<std::byte>(flags);
  append(octets, payload);
  return octets;
}

ClassificationOptions engine() {
  ClassificationOptions options;
  options.shim = SPANFLOW_FAKE_ENGINE;
  return options;
}

struct Probe {
  std::shared_ptr<BatchPool> pool = std::make_shared<BatchPool>();
  BatchQueue queue{1 << 26, 1};
  MeteringProcess process;
  std::vector<FlowRecord> records;
  std::vector<std::string> names;  // server names, of each record

  explicit Probe(const ClassificationOptions& classification, std::int64_t tcp_linger_ns = 2 * kSecond)
      : process(options(classification, tcp_linger_ns), pool, queue, BatchQueue::WhenFull::drop) {}

  static MeteringOptions options(const ClassificationOptions& classification, std::int64_t tcp_linger_ns) {
    MeteringOptions result;
    result.max_flows = 1000;
    result.secret = HashSecret{{1, 3, 5, 7, 9, 11}};
    result.classification = classification;
    result.timeouts.tcp_linger_ns = tcp_linger_ns;
    return result;
  }

  void packet(const Octets& octets, std::int64_t time_ns, std::size_t captured = 65'535) {
    const std::vector<std::byte> seen(octets.begin(),
                                      octets.begin() + static_cast<std::ptrdiff_t>(std::min(captured, octets.size())));
    const Frame frame{.data = seen.data(),
                      .captured_octets = static_cast<std::uint32_t>(seen.size()),
                      .wire_octets = static_cast<std::uint32_t>(octets.size()),
                      .time_ns = time_ns,
                      .clock_ns = time_ns,
                      .link_type = 101};
    process.process(std::span(&frame, 1));
  }
  ClassificationCounters counters() {
    process.publish_counters();
    return process.counters().classification;
  }
  Counters finish(std::int64_t clock_ns = kSecond) {
    process.finish(clock_ns);
    while (const auto batch = queue.pop(0ms)) {
      for (const auto& record : batch->records()) {
        records.push_back(record);
        const auto* details = reinterpret_cast<const char*>(batch->details().data()) + record.details_offset;
        names.emplace_back(record.details_octets == 0
                               ? std::string_view{}
                               : std::string_view{details + 1, static_cast<std::size_t>(*details)});
      }
    }
    return process.counters();
  }
};

}  // namespace

TEST_CASE("the first payload that tells decides, the record carries it, nothing is kept") {
  Probe probe(engine());
  probe.packet(udp(1000, "?"), 0);
  CHECK(probe.counters().under_detection == 1);
  probe.packet(udp(1000, "Dwww.example.org"), 1);
  CHECK(probe.counters().under_detection == 0);
  probe.packet(udp(1000, "Nother"), 2);  // too late
  const auto counters = probe.finish();
  REQUIRE(probe.records.size() == 1);
  CHECK(probe.records[0].application == kDecided);
  CHECK(probe.records[0].application_id == (22U << 24 | kDecided));
  CHECK(probe.records[0].confidence == SPANFLOW_CONFIDENCE_PAYLOAD);
  CHECK(probe.names[0] == "www.example.org");
  CHECK(counters.classification.detected == 1);
  CHECK(counters.classification.inspected_packets == 2);
  CHECK(counters.classification.memory_octets == 0);
}

TEST_CASE("the budget of packets of each transport protocol") {
  auto options = engine();
  options.tcp_packets = 3;
  options.udp_packets = 2;
  Probe probe(options);
  for (int packet = 0; packet < 5; ++packet) {
    probe.packet(udp(1000, "?"), packet);
    probe.packet(tcp(0x10, "?"), packet);
  }
  const auto counters = probe.finish();
  REQUIRE(probe.records.size() == 2);
  CHECK(probe.records[0].application == kGivenUp);
  CHECK(probe.records[1].application == kGivenUp);
  CHECK(counters.classification.inspected_packets == 5);
  CHECK(counters.classification.given_up == 2);
}

TEST_CASE("a Flow that is known when the budget ends is not given up") {
  auto options = engine();
  options.udp_packets = 2;
  Probe probe(options);
  probe.packet(udp(1000, "Nname"), 0);
  probe.packet(udp(1000, "?"), 1);
  const auto counters = probe.finish();
  CHECK(probe.records.at(0).application == kNamed);
  CHECK(probe.names[0] == "name");
  CHECK(counters.classification.detected == 1);
  CHECK(counters.classification.given_up == 0);
}

TEST_CASE("packets without payload are not inspected, unless they are asked for") {
  for (const bool empty_packets : {false, true}) {
    auto options = engine();
    options.empty_packets = empty_packets;
    Probe probe(options);
    probe.packet(tcp(0x02, ""), 0);
    probe.packet(tcp(0x10, ""), 1);
    const auto counters = probe.finish();
    CHECK(counters.classification.inspected_packets == (empty_packets ? 2 : 0));
    CHECK(counters.classification.guessed == (empty_packets ? 0 : 1));
    CHECK(probe.records.at(0).application == (empty_packets ? kGivenUp : kGuessed));
    CHECK(probe.records[0].risk_score == (empty_packets ? 0 : 443));  // the guess knows who is the server
  }
}

TEST_CASE("the engine is told who sends") {
  Probe probe(engine());
  probe.packet(udp(1000, "?"), 0);
  probe.packet(udp_answer(1000, "?"), 1);
  probe.packet(udp_answer(1000, "?"), 2);
  (void)probe.finish();
  CHECK(probe.records.at(0).flow_risk == 2);  // as the fake engine counts
}

TEST_CASE("a packet that the capture cut, or whose length is 0, reaches the engine with a true length") {
  Probe probe(engine());
  probe.packet(udp(1000, "Dname"), 0, 31);
  auto offloaded = udp(1001, "Dname");
  offloaded[2] = offloaded[3] = std::byte{0};
  probe.packet(offloaded, 0);
  probe.packet(udp(1002, "Dname"), 0, 28);  // no payload is left of it
  const auto counters = probe.finish();
  std::map<std::uint16_t, std::string> names;
  for (std::size_t index = 0; index < probe.records.size(); ++index) {
    names[probe.records[index].source_transport_port] = probe.names[index];
  }
  CHECK(names == std::map<std::uint16_t, std::string>{{1000, ""}, {1001, "name"}, {1002, ""}});
  CHECK(counters.classification.guessed == 1);
}

// The engine of these tests aborts where a length is not true.
TEST_CASE("IPv6 that the capture cut, and packets of more than 65,535 octets, have a true length too") {
  const auto addresses = hex("20010db8 00000000 00000000 00000001 20010db8 00000000 00000000 00000002");
  const auto ipv6 = [&](std::string_view length, std::string_view next_header) {
    return hex("60000000") + hex(length) + hex(next_header) + hex("40") + addresses;
  };
  const auto ports = hex("03e8 0035 0000 0000");
  const auto much = Octets(70'000, std::byte{'?'});
  struct Row {
    const char* what;
    Octets octets;
    std::size_t captured;
  };
  const std::array rows{
      Row{"cut", ipv6("0064", "11") + ports + Octets(92, std::byte{'?'}), 60},
      Row{"cut behind an extension header",
          ipv6("0064", "00") + hex("11 00 01 04 00000000") + ports + Octets(84, std::byte{'?'}), 57},
      Row{"padded", ipv6("0009", "11") + ports + hex("3f 000000"), 65'535},
      Row{"length 0", ipv6("0000", "11") + ports + Octets(100, std::byte{'?'}), 65'535},
      Row{"a jumbo", ipv6("0000", "00") + hex("11 00 c2 04 00011180") + ports + much, 80'000},
      Row{"merged", hex("45000000 00000000 40110000 0a000001 0a0000fa") + ports + much, 80'000},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    Probe probe(engine());
    probe.packet(row.octets, 0, row.captured);
    const auto counters = probe.finish();
    CHECK(counters.classification.inspected_packets == 1);
    CHECK(probe.records.size() == 1);
  }
}

TEST_CASE("names in a packet that is not whole are not believed, those before it are") {
  struct Row {
    const char* first;
    std::size_t cut_to;
    const char* name;
  };
  for (const auto& [first, cut_to, name] :
       {Row{"Nbefore", 100, "after"}, Row{"Nbefore", 31, "before"}, Row{"?", 31, ""}}) {
    Probe probe(engine());
    probe.packet(udp(1000, first), 0);
    probe.packet(udp(1000, "Dafter"), 1, cut_to);
    const auto counters = probe.finish();
    CHECK(probe.records.at(0).application == kDecided);
    CHECK(probe.names[0] == name);
    CHECK(counters.classification.under_detection == 0);
  }
  Probe probe(engine());
  probe.packet(udp(1000, "?????"), 0, 30);  // tells nothing, but may lie in the engine's memory
  probe.packet(udp(1000, "Dafter"), 1);
  (void)probe.finish();
  CHECK(probe.records.at(0).application == kDecided);
  CHECK(probe.names[0].empty());
}

TEST_CASE("later fragments are not inspected") {
  Probe probe(engine());
  auto first = udp(1000, "?");
  first[6] = std::byte{0x20};
  auto later = udp(1000, "Dname");
  later[7] = std::byte{0x10};
  probe.packet(first, 0);
  probe.packet(later, 1);
  const auto counters = probe.finish();
  CHECK(counters.fragment_orphans == 0);
  CHECK(counters.classification.inspected_packets == 1);
  CHECK(probe.records.at(0).application == kGivenUp);
}

TEST_CASE("detection survives a split: the record before says what is known, later ones cost nothing") {
  Probe probe(engine());
  probe.packet(udp(1000, "?"), 0);
  for (std::int64_t second = 10; second < 70; second += 10) {
    probe.packet(udp(1000, ""), second * kSecond);  // nothing to inspect; the active timeout is 60 s
  }
  probe.packet(udp(1000, "Dname"), 71 * kSecond);
  for (std::int64_t second = 80; second < 140; second += 10) {
    probe.packet(udp(1000, "Nother"), second * kSecond);
  }
  const auto counters = probe.finish(140 * kSecond);
  REQUIRE(probe.records.size() == 3);
  CHECK(probe.records[0].end_detail == EndDetail::active);
  CHECK(probe.records[0].application == kGuessed);
  CHECK(probe.records[1].application == kDecided);
  CHECK(probe.records[2].application == kDecided);
  CHECK(probe.names == std::vector<std::string>{"", "name", "name"});
  CHECK(counters.classification.inspected_packets == 2);
}

TEST_CASE("beyond the bound on Flows under detection new ones are told by their ports, and counted") {
  auto options = engine();
  options.max_flows = 10;
  Probe probe(options);
  for (std::uint16_t port = 1; port <= 30; ++port) {
    probe.packet(udp(port, "?"), port);
  }
  CHECK(probe.counters().under_detection == 10);
  probe.packet(udp(1, "D"), 40);  // makes room
  probe.packet(udp(40, "?"), 41);
  CHECK(probe.counters().under_detection == 10);
  const auto counters = probe.finish();
  CHECK(counters.classification.refused_flows == 20);
  CHECK(counters.classification.given_up == 10);
  CHECK(counters.classification.under_detection == 0);
}

TEST_CASE("the bound on memory holds for what the engine allocates") {
  constexpr std::uint64_t kCaches = 1 << 20;  // allowed to the engine beside the bound
  auto options = engine();
  options.max_flows = 100;
  options.memory_octets = 200'000;
  options.udp_packets = 16;
  Probe probe(options);
  std::uint64_t most = 0;
  for (int round = 0; round < 16; ++round) {
    for (std::uint16_t port = 1; port <= 100; ++port) {
      probe.packet(udp(port, "A"), round * 100 + port);
      most = std::max(most, probe.counters().memory_octets);
    }
  }
  CHECK(most > kCaches);
  CHECK(most <= kCaches + 200'000);
  const auto counters = probe.finish();
  CHECK(counters.classification.refused_memory > 20);
  CHECK(counters.classification.refused_flows == 0);
  CHECK(counters.classification.memory_octets == 0);
  CHECK(probe.records.size() == 100);
}

TEST_CASE("the bound on memory is one on states, too") {
  auto options = engine();
  options.memory_octets = 20'000;
  Probe probe(options);
  for (std::uint16_t port = 1; port <= 100; ++port) {
    probe.packet(udp(port, "?"), port);
    CHECK(probe.counters().memory_octets <= 5'000);
  }
  const auto counters = probe.finish();
  CHECK(counters.classification.refused_memory > 50);
  CHECK(counters.classification.refused_memory + counters.classification.given_up == 100);
}

TEST_CASE("details that do not fit into the bound are dropped and counted; the verdict stays") {
  auto options = engine();
  options.memory_octets = 4096;
  Probe probe(options);
  for (std::uint16_t port = 1; port <= 100; ++port) {
    probe.packet(udp(port, "Da-name-of-some-length.example.org"), port);
  }
  const auto counters = probe.finish();
  CHECK(counters.classification.detected + counters.classification.refused_memory == 100);
  CHECK(counters.classification.dropped_details + counters.classification.refused_memory > 30);
  for (std::size_t index = 0; index < probe.records.size(); ++index) {
    CHECK((probe.names[index].empty() || probe.names[index] == "a-name-of-some-length.example.org"));
  }
}

TEST_CASE("URL and user agent are kept only when they are asked for") {
  for (const bool http_details : {false, true}) {
    auto options = engine();
    options.http_details = http_details;
    Probe probe(options);
    probe.packet(udp(1000, "D/path"), 0);
    (void)probe.finish();
    // 8 lengths, the server name, and the URL, for which the fake engine says the same
    CHECK(probe.records.at(0).details_octets == (http_details ? 8 + 5 + 5 : 8 + 5));
  }
}

TEST_CASE("an evicted Flow, a reset one that leaves at once: each gets its last word") {
  Probe probe(engine(), 0);
  probe.packet(tcp(0x18, "?"), 0);
  probe.packet(tcp(0x04, ""), 1);
  CHECK(probe.counters().under_detection == 0);
  for (int port = 1; port <= 1500; ++port) {
    probe.packet(udp(static_cast<std::uint16_t>(port), "?"), port);
  }
  const auto counters = probe.finish();
  CHECK(counters.ended[static_cast<std::size_t>(EndDetail::evicted)] >= 500);
  CHECK(probe.records.size() == 1501);
  for (const auto& record : probe.records) {
    CHECK(record.application == kGivenUp);
  }
}

TEST_CASE("a Flow that leaves without a further record is counted all the same") {
  for (const bool expires : {false, true}) {
    for (const auto* payload : {"?", ""}) {
      Probe probe(engine());
      for (std::int64_t second = 0; second < 60; second += 10) {
        probe.packet(udp(1000, payload), second * kSecond);
      }
      probe.process.expire(61 * kSecond);  // the record leaves, the Flow does not
      CHECK(probe.counters().under_detection == (*payload == '?' ? 1 : 0));
      if (expires) {
        probe.process.expire(300 * kSecond);
        CHECK(probe.counters().under_detection == 0);
      }
      const auto counters = probe.finish(300 * kSecond);
      REQUIRE(probe.records.size() == 1);
      CHECK(probe.records[0].end_detail == EndDetail::active);
      CHECK(counters.classification.given_up == (*payload == '?' ? 1 : 0));
      CHECK(counters.classification.guessed == (*payload == '?' ? 0 : 1));
    }
  }
}

TEST_CASE("what is held is counted while Flows come and go") {
  Probe probe(engine());
  probe.packet(udp(1000, "?"), 0);
  const auto state_octets = probe.counters().memory_octets;
  CHECK(state_octets > 0);
  probe.packet(udp(1000, "Dname"), 1);
  CHECK(probe.counters().memory_octets == 64);  // its name alone
  probe.process.expire(100 * kSecond);
  CHECK(probe.counters().memory_octets == 0);
  CHECK(probe.process.counters().cached_flows == 0);
}

TEST_CASE("rules of the user's own: every kind that a rule names must match, the first rule wins") {
  auto options = engine();
  const Network here{.address = Address::mapped(0x0000000a), .prefix_length = 104};  // 10.0.0.0/8
  options.rules = {
      {.name = "intranet", .networks = {here}, .ports = {{2000, 2010}}, .server_names = {}},
      {.name = "shop", .networks = {}, .ports = {}, .server_names = {"example.org"}},
      {.name = "Guessed", .networks = {}, .ports = {{3000, 3000}}, .server_names = {}},
  };
  Probe probe(options);
  probe.packet(udp(2005, "Dwww.example.org"), 0);
  probe.packet(udp(2011, "Dwww.EXAMPLE.org"), 0);
  probe.packet(udp(2012, "Dexample.org"), 0);
  probe.packet(udp(2013, "Dbadexample.org"), 0);
  probe.packet(udp(3000, ""), 0);
  (void)probe.finish();
  std::map<std::uint16_t, std::pair<std::uint16_t, std::uint16_t>> told;
  std::map<std::uint16_t, std::uint32_t> ids;
  for (const auto& record : probe.records) {
    told[record.source_transport_port] = {record.application, record.master_protocol};
    ids[record.application] = record.application_id;
  }
  CHECK(told[2005] == std::pair<std::uint16_t, std::uint16_t>{5, kDecided});
  CHECK(told[2011] == std::pair<std::uint16_t, std::uint16_t>{6, kDecided});
  CHECK(told[2012] == std::pair<std::uint16_t, std::uint16_t>{6, kDecided});
  CHECK(told[2013] == std::pair<std::uint16_t, std::uint16_t>{kDecided, 0});
  CHECK(told[3000].first == kGuessed);  // a name that the engine knows keeps the engine's number
  CHECK(ids[kGuessed] == (22U << 24 | kGuessed));
  CHECK((ids[5] & 0xff800000) == (22U << 24 | 0x800000));
  CHECK(ids[5] != ids[6]);
}

TEST_CASE("numbers of user-defined names depend on the names alone") {
  const Engine engine(SPANFLOW_FAKE_ENGINE, "");
  const std::vector<Rule> rules = {{.name = "a", .networks = {}, .ports = {}, .server_names = {}},
                                   {.name = "b", .networks = {}, .ports = {}, .server_names = {}},
                                   {.name = "a", .networks = {}, .ports = {}, .server_names = {}}};
  const std::vector<Rule> reversed(rules.rbegin(), rules.rend());
  const ApplicationTable one(engine, rules);
  const ApplicationTable other(engine, reversed);
  CHECK(one.applications().size() == 7);
  CHECK(one.application_of_rule(0) == one.application_of_rule(2));
  for (std::size_t rule = 0; rule < 3; ++rule) {
    CHECK(one.application_id(one.application_of_rule(rule)) ==
          other.application_id(other.application_of_rule(2 - rule)));
  }
  CHECK(one.application_id(one.application_of_rule(0)) == (22U << 24 | 0x8c28e4));  // for ever
}

TEST_CASE("an engine that cannot be had says why") {
  CHECK_THROWS_WITH_AS(Engine("/nonexistent/engine.so", ""), doctest::Contains("cannot open shared object file"),
                       std::runtime_error);
  CHECK_THROWS_WITH_AS(Engine(SPANFLOW_FAKE_ENGINE, "/nonexistent"), "protocols file: cannot be read",
                       std::runtime_error);
  CHECK_THROWS_WITH_AS(Engine(SPANFLOW_NO_ENGINE, ""), doctest::Contains("is not a classification engine"),
                       std::runtime_error);
}
