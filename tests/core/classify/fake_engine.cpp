// SPDX-License-Identifier: Apache-2.0
// A classification engine that does what the payload says, for tests of what lies around an engine.
//
// It reads UDP or TCP headers of 20 octets straight behind those of IPv4 or IPv6. The first octet of a payload: `D`
// decided (protocol 1), `N` named, more wanted (protocol 2), `A` keeps 1,000 octets more of memory, `X` crashes,
// anything else: nothing yet. What follows is the server name. Giving up yields protocol 3, a guess protocol 4. A
// protocols file may hold one name, protocol 5.
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "classify/classifier.h"

struct spanflow_engine {
  std::string own;
};

namespace {

constexpr std::uint32_t kBuiltIn = 5;

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
constexpr bool kFuzzing = true;
#else
constexpr bool kFuzzing = false;
#endif

struct State {
  char server_name[64];
  std::uint8_t name_octets;
  std::uint16_t protocol;
  std::uint32_t from_server;  // packets
  void* kept[16];
  std::uint32_t kept_count;
};

thread_local std::int64_t allocated_octets = 0;

spanflow_engine* open(const spanflow_engine_options* options, char* error, std::size_t error_octets) {
  auto* engine = new spanflow_engine;
  if (options->protocols_file != nullptr) {
    std::ifstream file(options->protocols_file);
    if (!std::getline(file, engine->own)) {
      std::strncpy(error, "protocols file: cannot be read", error_octets);
      delete engine;
      return nullptr;
    }
  }
  return engine;
}

void close(spanflow_engine* engine) { delete engine; }
const char* version(const spanflow_engine*) { return "1.0"; }
std::size_t flow_octets(const spanflow_engine*) { return sizeof(State); }
void begin_flow(spanflow_engine*, void* flow) { std::memset(flow, 0, sizeof(State)); }

void end_flow(spanflow_engine*, void* flow) {
  auto* state = static_cast<State*>(flow);
  for (std::uint32_t index = 0; index < state->kept_count; ++index) {
    std::free(state->kept[index]);
    allocated_octets -= 1000;
  }
}

void say(const State& state, spanflow_verdict* verdict) {
  verdict->protocol = state.protocol;
  verdict->confidence = state.protocol == 0 ? SPANFLOW_CONFIDENCE_NONE : SPANFLOW_CONFIDENCE_PAYLOAD;
  verdict->risk = state.from_server;  // so that a test sees it
}

void inspect(spanflow_engine*, void* flow, const spanflow_packet* packet, spanflow_verdict* verdict) {
  auto* state = static_cast<State*>(flow);
  const auto* network = packet->network;
  const bool is_v4 = network[0] >> 4 == 4;
  const std::size_t said =
      is_v4 ? std::size_t{network[2]} << 8 | network[3] : (std::size_t{network[4]} << 8 | network[5]) + 40;
  if (said != packet->octets) {
    std::abort();  // the core promises a length that is true
  }
  const std::size_t header = is_v4 ? (network[9] == 6 ? 40 : 28) : (network[6] == 6 ? 60 : 48);
  state->from_server += packet->from_server;
  if (packet->octets > header) {
    const char what = static_cast<char>(packet->network[header]);
    if (what == 'X' && !kFuzzing) {
      std::raise(SIGSEGV);
    }
    if ((what == 'D' || what == 'N') && packet->octets - header - 1 < sizeof state->server_name) {
      state->protocol = what == 'D' ? 1 : 2;
      state->name_octets = static_cast<std::uint8_t>(packet->octets - header - 1);
      std::memcpy(state->server_name, packet->network + header + 1, state->name_octets);
      verdict->done = what == 'D' ? 1 : 0;
    } else if (what == 'A' && state->kept_count < 16) {
      state->kept[state->kept_count++] = std::malloc(1000);
      allocated_octets += 1000;
    }
  }
  say(*state, verdict);
}

void give_up(spanflow_engine*, void* flow, spanflow_verdict* verdict) {
  auto* state = static_cast<State*>(flow);
  state->protocol = state->protocol == 0 ? std::uint16_t{3} : state->protocol;
  say(*state, verdict);
}

void guess(spanflow_engine*, const spanflow_ends* ends, spanflow_verdict* verdict) {
  verdict->protocol = 4;
  verdict->confidence = SPANFLOW_CONFIDENCE_PORT;
  verdict->risk_score = ends->server_port;
}

std::size_t detail(const spanflow_engine*, const void* flow, spanflow_detail kind, char* text, std::size_t octets) {
  const auto* state = static_cast<const State*>(flow);
  if (kind != SPANFLOW_DETAIL_SERVER_NAME && kind != SPANFLOW_DETAIL_HTTP_URL) {
    return 0;
  }
  const auto length = state->name_octets < octets ? state->name_octets : octets;
  std::memcpy(text, state->server_name, length);
  return length;
}

std::int64_t allocated() { return allocated_octets; }

std::uint32_t protocols(const spanflow_engine* engine, std::uint32_t* built_in) {
  *built_in = kBuiltIn;
  return engine->own.empty() ? kBuiltIn : kBuiltIn + 1;
}

const char* protocol_name(const spanflow_engine* engine, std::uint16_t protocol) {
  constexpr const char* kNames[] = {"Unknown", "Decided", "Named", "GivenUp", "Guessed"};
  return protocol < kBuiltIn ? kNames[protocol] : protocol == kBuiltIn ? engine->own.c_str() : nullptr;
}

std::uint16_t protocol_category(const spanflow_engine*, std::uint16_t) { return 1; }
const char* protocol_breed(const spanflow_engine*, std::uint16_t) { return "Fun"; }
std::uint32_t categories(const spanflow_engine*) { return 2; }
const char* category_name(const spanflow_engine*, std::uint16_t category) { return category == 1 ? "Test" : nullptr; }
const char* risk_name(std::uint32_t bit) { return bit == 0 ? "Packets of the server" : nullptr; }

}  // namespace

extern "C" __attribute__((visibility("default")))
const spanflow_classifier spanflow_classifier = {SPANFLOW_CLASSIFIER_ABI,
                                                 "fake",
                                                 open,
                                                 close,
                                                 version,
                                                 flow_octets,
                                                 begin_flow,
                                                 end_flow,
                                                 inspect,
                                                 give_up,
                                                 guess,
                                                 detail,
                                                 allocated,
                                                 protocols,
                                                 protocol_name,
                                                 protocol_category,
                                                 protocol_breed,
                                                 categories,
                                                 category_name,
                                                 risk_name};
