// SPDX-License-Identifier: Apache-2.0
// What differs between the versions of nDPI, 4.2 to 6.0, and nothing else: one function for each thing the shim wants.
//
// Each is chosen from the headers at hand. A changed signature or member is told by its shape, with overloads on the
// function's type and with `requires`, so that a snapshot between two releases is taken as what it is. Only a name that
// is not in every version, and means nothing to a template, needs SPANFLOW_NDPI_VERSION.
#pragma once

#include <malloc.h>
#include <ndpi/ndpi_api.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

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

// Addresses (of IPv6: 0) and ports in host order, as nDPI's guesses take them.
struct Ends {
  std::uint32_t client_address;
  std::uint32_t server_address;
  std::uint16_t client_port;
  std::uint16_t server_port;
  std::uint8_t protocol;
};

// --- the module ------------------------------------------------------------------------------------------------------

// Who builds for nDPI 6.0 says under which terms nDPI is used; some dissectors (TLS, QUIC, DNS) depend on it.
#if SPANFLOW_NDPI_VERSION >= 600
#if defined(SPANFLOW_NDPI_LICENCE_NOT_FOR_PROFIT)
inline constexpr auto licence = NDPI_LICENSE_NOT_FOR_PROFIT_LGPL;
#elif defined(SPANFLOW_NDPI_LICENCE_FOR_PROFIT_LGPL)
inline constexpr auto licence = NDPI_LICENSE_FOR_PROFIT_LGPL;
#elif defined(SPANFLOW_NDPI_LICENCE_FOR_PROFIT_DUAL_LICENSE)
inline constexpr auto licence = NDPI_LICENSE_FOR_PROFIT_DUAL_LICENSE;
#else
#error "nDPI 6.0: set SPANFLOW_NDPI_LICENCE to not-for-profit, for-profit-lgpl or for-profit-dual-license"
#endif
#else
inline constexpr int licence = 0;
#endif

// To 4.8 the argument is preferences (none), since 4.10 a context shared with other modules (none).
template <typename Argument>
Module* call_init(Module* (*init)(Argument)) {
  return init(Argument{});
}
template <typename Context, typename Licence>
Module* call_init(Module* (*init)(Context*, Licence)) {
  return init(nullptr, licence);
}

// Every protocol on, as it is by itself since 5.0. False: nDPI would not.
#if SPANFLOW_NDPI_VERSION < 500
template <typename Result, typename Bitmask>
bool call_enable(Result (*enable)(Module*, const Bitmask*), Module* module) {
  Bitmask all;
  std::memset(&all, 0xff, sizeof all);
  if constexpr (std::is_void_v<Result>) {
    enable(module, &all);
    return true;
  } else {
    return enable(module, &all) == 0;
  }
}
inline bool enable_protocols(Module* module) { return call_enable(ndpi_set_protocol_detection_bitmask2, module); }
#else
inline bool enable_protocols(Module*) { return true; }
#endif

// Before 4.6 nDPI takes the direction of a packet from ports and addresses, unless it is told not to.
#if SPANFLOW_NDPI_VERSION < 406
inline void take_our_direction(Module* module) {
  ndpi_set_detection_preferences(module, ndpi_pref_direction_detect_disable, 1);
}
#else
inline void take_our_direction(Module*) {}
#endif

// Null when it fails.
inline Module* init_module() {
  Module* module = call_init(ndpi_init_detection_module);
  if (module == nullptr) return nullptr;
  if (!enable_protocols(module)) {
    ndpi_exit_detection_module(module);
    return nullptr;
  }
  take_our_direction(module);
  return module;
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

// Protocols have the numbers 0 .. count - 1, the user's own come last. After finalize_module() only.
template <typename AnyModule>
std::uint32_t count_protocols(AnyModule* module) {
  if constexpr (requires { ndpi_get_num_protocols(module); }) {
    return ndpi_get_num_protocols(module);
  } else {
    return ndpi_get_num_supported_protocols(module);
  }
}

template <typename AnyModule>
std::uint32_t count_built_in(AnyModule* module) {
  const std::uint32_t count = count_protocols(module);
  if constexpr (requires { ndpi_get_ndpi_num_custom_protocols(module); }) {
    return count - ndpi_get_ndpi_num_custom_protocols(module);
  } else {
    std::uint32_t first = 0;
    while (first < count && !ndpi_is_custom_protocol(module, static_cast<std::uint16_t>(first))) ++first;
    return first;
  }
}

// So many protocols of the user's own it takes; a further one it does not, and prints that.
#ifdef NDPI_MAX_NUM_CUSTOM_PROTOCOLS
inline constexpr std::size_t max_own_protocols = NDPI_MAX_NUM_CUSTOM_PROTOCOLS - 1;
#else
inline constexpr std::size_t max_own_protocols = 65535;
#endif

// --- memory ----------------------------------------------------------------------------------------------------------

// Allocate and release what nDPI asks for, and count it; Counter::add(octets) is called in the thread that asks.
template <typename Counter>
struct Allocation {
  static void* counted(void* memory) {
    Counter::add(static_cast<std::int64_t>(malloc_usable_size(memory)));
    return memory;
  }
  static void* allocate(std::size_t octets) { return counted(std::malloc(octets)); }
  static void* allocate_zeros(std::size_t count, std::size_t octets) { return counted(std::calloc(count, octets)); }
  static void* allocate_aligned(std::size_t alignment, std::size_t octets) {
    void* memory = nullptr;
    return posix_memalign(&memory, alignment, octets) == 0 ? counted(memory) : nullptr;
  }
  static void* resize(void* memory, std::size_t octets) {
    const auto before = static_cast<std::int64_t>(malloc_usable_size(memory));
    void* resized = std::realloc(memory, octets);
    if (resized == nullptr && octets != 0) return nullptr;  // the old one stays
    Counter::add(-before);
    return counted(resized);
  }
  static void release(void* memory) {
    Counter::add(-static_cast<std::int64_t>(malloc_usable_size(memory)));
    std::free(memory);
  }
};

// The hooks are process-wide, and what one set allocated another must not free: to be called once, before all else.
template <typename Counter>
void set_allocation() {
  using Hooks = Allocation<Counter>;
  const auto set = [](auto allocate, auto release) {
    if constexpr (requires {
                    ndpi_set_memory_alloction_functions(allocate, release, nullptr, nullptr, nullptr, nullptr, allocate,
                                                        release);
                  }) {
      ndpi_set_memory_alloction_functions(allocate, release, Hooks::allocate_zeros, Hooks::resize,
                                          Hooks::allocate_aligned, Hooks::release, allocate, release);
    } else {
      set_ndpi_malloc(allocate);
      set_ndpi_free(release);
      set_ndpi_flow_malloc(allocate);
      set_ndpi_flow_free(release);
    }
  };
  set(&Hooks::allocate, &Hooks::release);
}

// --- packets ---------------------------------------------------------------------------------------------------------

template <typename Protocol, typename AnyModule, typename AnyFlow>
Outcome outcome_of(const Protocol& protocol, AnyModule* module, AnyFlow* flow) {
  Outcome outcome;
  outcome.category = static_cast<std::uint16_t>(protocol.category);
  if constexpr (requires { protocol.proto; }) {
    outcome.master = protocol.proto.master_protocol;
    outcome.application = protocol.proto.app_protocol;
  } else {
    outcome.master = protocol.master_protocol;
    outcome.application = protocol.app_protocol;
  }
  if (flow == nullptr) return outcome;
#if SPANFLOW_NDPI_VERSION >= 500
  static_cast<void>(module);
  outcome.done = protocol.state == NDPI_STATE_CLASSIFIED && flow->extra_packets_func == nullptr;
#else
  outcome.done = outcome.application != NDPI_PROTOCOL_UNKNOWN && ndpi_extra_dissection_possible(module, flow) == 0;
#endif
  return outcome;
}

template <typename Protocol>
Protocol call_process(Protocol (*process)(Module*, Flow*, const std::uint8_t*, unsigned short, std::uint64_t),
                      Module* module, auto* flow, const Packet& packet) {
  flow->packet_direction = packet.from_server ? 1 : 0;
  return process(module, flow, packet.network, packet.octets, packet.time_ms);
}
#if SPANFLOW_NDPI_VERSION >= 406
template <typename Protocol, typename Input>
Protocol call_process(Protocol (*process)(Module*, Flow*, const std::uint8_t*, unsigned short, std::uint64_t, Input*),
                      Module* module, Flow* flow, const Packet& packet) {
  std::remove_const_t<Input> input{};
  input.in_pkt_dir = packet.from_server ? NDPI_IN_PKT_DIR_S_TO_C : NDPI_IN_PKT_DIR_C_TO_S;
  input.seen_flow_beginning = packet.seen_beginning ? NDPI_FLOW_BEGINNING_SEEN : NDPI_FLOW_BEGINNING_UNKNOWN;
  return process(module, flow, packet.network, packet.octets, packet.time_ms, &input);
}
#endif

inline Outcome inspect(Module* module, Flow* flow, const Packet& packet) {
  return outcome_of(call_process(ndpi_detection_process_packet, module, flow, packet), module, flow);
}

template <typename Protocol>
Protocol call_give_up(Protocol (*give_up)(Module*, Flow*), Module* module, Flow* flow) {
  return give_up(module, flow);
}
template <typename Protocol>
Protocol call_give_up(Protocol (*give_up)(Module*, Flow*, std::uint8_t*), Module* module, Flow* flow) {
  std::uint8_t guessed = 0;
  return give_up(module, flow, &guessed);
}
template <typename Protocol>
Protocol call_give_up(Protocol (*give_up)(Module*, Flow*, std::uint8_t, std::uint8_t*), Module* module, Flow* flow) {
  std::uint8_t guessed = 0;
  return give_up(module, flow, 1, &guessed);
}

inline Outcome give_up(Module* module, Flow* flow) {
  Outcome outcome = outcome_of(call_give_up(ndpi_detection_giveup, module, flow), module, flow);
  outcome.done = true;
  return outcome;
}

// By ports and IPv4 addresses; without a flow nDPI looks at nothing else.
template <typename AnyModule>
Outcome guess(AnyModule* module, const Ends& ends) {
  constexpr Flow* no_flow = nullptr;
  const auto outcome = [&](const auto& protocol) {
    Outcome guessed = outcome_of(protocol, module, no_flow);
    guessed.done = true;
    return guessed;
  };
  if constexpr (requires { ndpi_guess_undetected_protocol_v4(module, no_flow, 0, 0, 0, 0, 0); }) {
    return outcome(ndpi_guess_undetected_protocol_v4(module, no_flow, ends.protocol, ends.client_address,
                                                     ends.client_port, ends.server_address, ends.server_port));
  } else {
    return outcome(ndpi_guess_undetected_protocol(module, no_flow, ends.protocol, ends.client_address, ends.client_port,
                                                  ends.server_address, ends.server_port));
  }
}

// --- what a flow knows -----------------------------------------------------------------------------------------------

// nDPI's arrays need not be terminated.
template <std::size_t N>
std::string_view text(const char (&array)[N]) {
  return {array, strnlen(array, N)};
}
template <typename Pointer>
  requires std::is_pointer_v<Pointer>
std::string_view text(Pointer string) {
  return string == nullptr ? std::string_view() : std::string_view(string, strnlen(string, 4096));
}

// Is the TLS part of the flow's union in use? The protocols for which ndpi_free_flow_data() frees its strings.
inline bool is_tls(std::uint16_t protocol) {
  switch (protocol) {
    case NDPI_PROTOCOL_TLS:
    case NDPI_PROTOCOL_QUIC:
    case NDPI_PROTOCOL_DTLS:
    case NDPI_PROTOCOL_MAIL_SMTPS:
    case NDPI_PROTOCOL_MAIL_POPS:
    case NDPI_PROTOCOL_MAIL_IMAPS:
#if SPANFLOW_NDPI_VERSION >= 408
    case NDPI_PROTOCOL_FTPS:
#endif
      return true;
    default: return false;
  }
}

inline bool is_dns(std::uint16_t protocol) {
  return protocol == NDPI_PROTOCOL_DNS || protocol == NDPI_PROTOCOL_MDNS || protocol == NDPI_PROTOCOL_LLMNR;
}

inline bool is_http(std::uint16_t protocol) {
  return protocol == NDPI_PROTOCOL_HTTP || protocol == NDPI_PROTOCOL_HTTP_CONNECT ||
         protocol == NDPI_PROTOCOL_HTTP_PROXY;
}

template <typename AnyFlow>
std::string_view ja3_client(const AnyFlow& flow) {
  if constexpr (requires { flow.protos.tls_quic.ja3_client; }) {
    return text(flow.protos.tls_quic.ja3_client);
  } else {
    return {};  // gone since 4.14
  }
}

template <typename AnyFlow>
std::string_view ja3_server(const AnyFlow& flow) {
  if constexpr (requires { flow.protos.tls_quic.ja3_server; }) {
    return text(flow.protos.tls_quic.ja3_server);
  } else {
    return {};
  }
}

template <typename AnyFlow>
std::string_view ja4_client(const AnyFlow& flow) {
  if constexpr (requires { flow.protos.tls_quic.ja4_client; }) {
    return text(flow.protos.tls_quic.ja4_client);
  } else {
    return {};  // not yet before 4.10
  }
}

// What the client offers.
template <typename AnyFlow>
std::string_view alpn(const AnyFlow& flow) {
  if constexpr (requires { flow.protos.tls_quic.advertised_alpns; }) {
    return text(flow.protos.tls_quic.advertised_alpns);
  } else {
    return text(flow.protos.tls_quic.alpn);
  }
}

// The first address of a DNS answer, 4 or 16 octets; empty when the answer held none.
template <typename Dns>
std::span<const std::uint8_t> dns_answer(const Dns& dns) {
  constexpr std::uint16_t type_a = 1;
  constexpr std::uint16_t type_aaaa = 28;
  if constexpr (requires { dns.num_rsp_addr; }) {
    if (dns.num_rsp_addr == 0) return {};
    return {reinterpret_cast<const std::uint8_t*>(&dns.rsp_addr[0]), dns.is_rsp_addr_ipv6[0] != 0 ? 16U : 4U};
  } else {
    if (dns.num_answers == 0 || (dns.rsp_type != type_a && dns.rsp_type != type_aaaa)) return {};
    return {reinterpret_cast<const std::uint8_t*>(&dns.rsp_addr), dns.rsp_type == type_aaaa ? 16U : 4U};
  }
}

// --- names -----------------------------------------------------------------------------------------------------------

template <typename AnyModule>
std::uint16_t category_of(AnyModule* module, std::uint16_t protocol) {
  const auto asked = [&]<typename Protocol>(ndpi_protocol_category_t (*)(Module*, Protocol)) {
    Protocol value{};
    if constexpr (requires { value.proto; }) {
      value.proto.app_protocol = protocol;
    } else {
      value.app_protocol = protocol;
    }
    return value;
  };
  return static_cast<std::uint16_t>(ndpi_get_proto_category(module, asked(ndpi_get_proto_category)));
}

template <typename AnyModule>
const char* breed_name(AnyModule* module, std::uint16_t protocol) {
  const auto breed = ndpi_get_proto_breed(module, protocol);
  if constexpr (requires { ndpi_get_proto_breed_name(module, breed); }) {
    return ndpi_get_proto_breed_name(module, breed);
  } else {
    return ndpi_get_proto_breed_name(breed);
  }
}

}  // namespace spanflow::ndpi
