// SPDX-License-Identifier: Apache-2.0
// What differs between the versions of nDPI, 4.2 to 6.0, and nothing else: one function for each thing the shim wants.
//
// Each is chosen from the headers at hand. A changed signature or member is told by its shape, with overloads on the
// function's type and `requires`, so that a snapshot between two releases is taken as what it is; a name that is not
// in every version needs SPANFLOW_NDPI_VERSION.
#pragma once

#include <ndpi/ndpi_api.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "classifier.h"

#define SPANFLOW_NDPI_VERSION (NDPI_MAJOR * 100 + NDPI_MINOR)

static_assert(SPANFLOW_NDPI_VERSION >= 402, "nDPI 4.2 is the oldest that this shim knows");

namespace spanflow::ndpi {

using Module = ndpi_detection_module_struct;
using Flow = ndpi_flow_struct;

// What nDPI says of a flow, without the shape in which it says so.
struct Outcome {
  std::uint16_t master = 0;
  std::uint16_t application = 0;
  std::uint16_t category = 0;
  bool done = false;
};

struct Packet {
  const std::uint8_t* network;
  std::uint16_t octets;
  std::uint64_t time_ms;
  bool from_server;
  bool seen_beginning;
};

// Addresses and ports in host order, as nDPI's guesses take them.
struct Ends {
  std::uint32_t client_address;
  std::uint32_t server_address;
  std::uint16_t client_port;
  std::uint16_t server_port;
  std::uint8_t protocol;
};

// --- the module ------------------------------------------------------------------------------------------------------

template <typename Argument>
Module* call_init(Module* (*init)(Argument)) {
  return init(Argument{});  // no preferences, or no context shared with other modules
}

inline Module* init_module() { return call_init(ndpi_init_detection_module); }

// Every protocol on. False: nDPI would not.
inline bool enable_protocols(Module* module) {
  NDPI_PROTOCOL_BITMASK all;
  std::memset(&all, 0xff, sizeof all);
  ndpi_set_protocol_detection_bitmask2(module, &all);
  return true;
}

template <typename Result>
bool call_finalize(Result (*finalize)(Module*), Module* module) {
  if constexpr (std::is_void_v<Result>) {
    finalize(module);
    return true;
  } else {
    return finalize(module) == 0;
  }
}

inline bool finalize_module(Module* module) { return call_finalize(ndpi_finalize_initialization, module); }

inline void set_allocation(void* (*allocate)(std::size_t), void (*release)(void*)) {
  set_ndpi_malloc(allocate);
  set_ndpi_free(release);
  set_ndpi_flow_malloc(allocate);
  set_ndpi_flow_free(release);
}

// --- packets ---------------------------------------------------------------------------------------------------------

template <typename Protocol, typename AnyModule, typename AnyFlow>
Outcome outcome_of(const Protocol& protocol, AnyModule* module, AnyFlow* flow) {
  Outcome outcome{protocol.master_protocol, protocol.app_protocol, static_cast<std::uint16_t>(protocol.category), false};
  outcome.done = outcome.application != NDPI_PROTOCOL_UNKNOWN && ndpi_extra_dissection_possible(module, flow) == 0;
  return outcome;
}

inline Outcome inspect(Module* module, Flow* flow, const Packet& packet) {
#ifdef SPANFLOW_DIRECTION
  flow->packet_direction = packet.from_server;
#endif
  return outcome_of(ndpi_detection_process_packet(module, flow, packet.network, packet.octets, packet.time_ms), module,
                    flow);
}

inline Outcome give_up(Module* module, Flow* flow) {
  std::uint8_t guessed = 0;
  Outcome outcome = outcome_of(ndpi_detection_giveup(module, flow, 1, &guessed), module, flow);
  outcome.done = true;
  return outcome;
}

inline Outcome guess(Module* module, const Ends& ends) {
  const auto protocol = ndpi_guess_undetected_protocol(module, nullptr, ends.protocol, ends.client_address,
                                                       ends.client_port, ends.server_address, ends.server_port);
  return {protocol.master_protocol, protocol.app_protocol, static_cast<std::uint16_t>(protocol.category), true};
}

// --- what a flow knows -----------------------------------------------------------------------------------------------

template <std::size_t N>
std::string_view text(const char (&array)[N]) {
  return {array, strnlen(array, N)};
}

inline std::string_view text(const char* string) {
  return string == nullptr ? std::string_view() : std::string_view(string, strnlen(string, 4096));
}

inline std::uint8_t confidence_of(const Flow& flow) {
  switch (flow.confidence) {
    case NDPI_CONFIDENCE_MATCH_BY_PORT: return SPANFLOW_CONFIDENCE_PORT;
    case NDPI_CONFIDENCE_MATCH_BY_IP: return SPANFLOW_CONFIDENCE_ADDRESS;
    case NDPI_CONFIDENCE_DPI_CACHE: return SPANFLOW_CONFIDENCE_CACHE;
    case NDPI_CONFIDENCE_DPI: return SPANFLOW_CONFIDENCE_PAYLOAD;
    case NDPI_CONFIDENCE_UNKNOWN:
    case NDPI_CONFIDENCE_MAX: break;
  }
  return SPANFLOW_CONFIDENCE_NONE;
}

// Did the payload tell the protocol, not a guess?
inline bool is_inspected(const Flow& flow) {
  return flow.confidence == NDPI_CONFIDENCE_DPI || flow.confidence == NDPI_CONFIDENCE_DPI_CACHE;
}

// Is the TLS part of the flow's union in use? The same protocols for which ndpi_free_flow_data() frees its strings.
inline bool is_tls(std::uint16_t protocol) {
  return protocol == NDPI_PROTOCOL_TLS || protocol == NDPI_PROTOCOL_QUIC || protocol == NDPI_PROTOCOL_DTLS ||
         protocol == NDPI_PROTOCOL_MAIL_SMTPS || protocol == NDPI_PROTOCOL_MAIL_POPS ||
         protocol == NDPI_PROTOCOL_MAIL_IMAPS;
}

inline bool is_dns(std::uint16_t protocol) {
  return protocol == NDPI_PROTOCOL_DNS || protocol == NDPI_PROTOCOL_MDNS || protocol == NDPI_PROTOCOL_LLMNR;
}

inline bool is_http(std::uint16_t protocol) {
  return protocol == NDPI_PROTOCOL_HTTP || protocol == NDPI_PROTOCOL_HTTP_CONNECT ||
         protocol == NDPI_PROTOCOL_HTTP_PROXY;
}

inline std::string_view ja3_client(const Flow& flow) { return text(flow.protos.tls_quic.ja3_client); }
inline std::string_view ja3_server(const Flow& flow) { return text(flow.protos.tls_quic.ja3_server); }
inline std::string_view ja4_client(const Flow&) { return {}; }
inline std::string_view alpn(const Flow& flow) { return text(flow.protos.tls_quic.alpn); }

// --- names -----------------------------------------------------------------------------------------------------------

inline std::uint16_t category_of(Module* module, std::uint16_t protocol) {
  ndpi_protocol asked{};
  asked.app_protocol = protocol;
  return static_cast<std::uint16_t>(ndpi_get_proto_category(module, asked));
}

inline const char* breed_name(Module* module, std::uint16_t protocol) {
  return ndpi_get_proto_breed_name(module, ndpi_get_proto_breed(module, protocol));
}

}  // namespace spanflow::ndpi
