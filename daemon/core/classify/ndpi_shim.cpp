// SPDX-License-Identifier: Apache-2.0
// The classification engine nDPI behind classifier.h. Knows no version: what differs is in ndpi_era.hpp.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "classifier.h"
#include "ndpi_era.hpp"
#include "ndpi_protocols_file.hpp"

namespace ndpi = spanflow::ndpi;

struct spanflow_engine {
  struct Exit {
    void operator()(ndpi::Module* opened) const { ndpi_exit_detection_module(opened); }
  };

  std::unique_ptr<ndpi::Module, Exit> module;
  std::string version;
  std::uint32_t protocols = 0;
  std::uint32_t built_in = 0;
  std::array<std::uint8_t, 32> confidences{};  // by nDPI's number
};

namespace {

// --- memory ----------------------------------------------------------------------------------------------------------

thread_local std::int64_t octets_allocated = 0;

struct Counter {
  static void add(std::int64_t octets) { octets_allocated += octets; }
};

std::int64_t allocated() { return octets_allocated; }

// --- open, close -----------------------------------------------------------------------------------------------------

// "4.2.0" of "4.2.0-8668-a1b2c3".
std::string library_version() {
  const std::string_view revision = ndpi_revision();
  return std::string(revision.substr(0, revision.find_first_not_of("0123456789.")));
}

// The symbols keep their names when their arguments change: calling another version corrupts memory. The API's number
// counts commits, and differs between builds of one release.
bool is_other_library(const std::string& version) {
  const std::string wanted = std::to_string(NDPI_MAJOR) + '.' + std::to_string(NDPI_MINOR);
  const bool same = version.starts_with(wanted) && (version.size() == wanted.size() || version[wanted.size()] == '.');
  return !same || ndpi_detection_get_sizeof_ndpi_flow_struct() != sizeof(ndpi::Flow);
}

// nDPI's numbers change from version to version, its words for them do not.
std::uint8_t confidence_named(std::string_view name) {
  if (name == "Match by port") return SPANFLOW_CONFIDENCE_PORT;
  if (name == "Match by IP") return SPANFLOW_CONFIDENCE_ADDRESS;
  if (name == "DPI (cache)" || name == "DPI (partial cache)") return SPANFLOW_CONFIDENCE_CACHE;
  if (name == "DPI (partial)" || name == "DPI (aggressive)") return SPANFLOW_CONFIDENCE_PARTIAL;
  if (name == "Match by custom rule" || name == "nBPF") return SPANFLOW_CONFIDENCE_RULE;
  if (name.starts_with("DPI")) return SPANFLOW_CONFIDENCE_PAYLOAD;
  return SPANFLOW_CONFIDENCE_NONE;
}

// Of protocols that the user named, those that nDPI has not: the more of them than it takes.
std::string too_many_protocols(ndpi::Module* module, const ndpi::ProtocolsFile& file) {
  std::vector<std::string_view> own;
  for (const auto& [line, name] : file.names()) {
    const bool known = ndpi_get_proto_by_name(module, name.c_str()) != NDPI_PROTOCOL_UNKNOWN ||
                       std::ranges::find(own, std::string_view(name)) != own.end();
    if (known) continue;
    own.push_back(name);
    if (own.size() > ndpi::max_own_protocols) {
      return file.fault(line, "nDPI takes no more than " + std::to_string(ndpi::max_own_protocols) + " new protocols");
    }
  }
  return "";
}

std::string missing_protocol(ndpi::Module* module, const ndpi::ProtocolsFile& file) {
  for (const auto& [line, name] : file.names()) {
    if (ndpi_get_proto_by_name(module, name.c_str()) == NDPI_PROTOCOL_UNKNOWN) {
      return file.fault(line, "nDPI did not take the protocol '" + name + "'");
    }
  }
  return "";
}

// Empty, or why not.
std::string start(spanflow_engine& engine, const char* protocols_file) {
  engine.version = library_version();
  if (is_other_library(engine.version)) {
    return "libndpi is version " + engine.version + " (API " + std::to_string(ndpi_get_api_version()) +
           "), this classifier was built for " + std::to_string(NDPI_MAJOR) + '.' + std::to_string(NDPI_MINOR) +
           " (API " + std::to_string(NDPI_API_VERSION) + "); build it again";
  }
  static const bool hooked = (ndpi::set_allocation<Counter>(), true);
  static_cast<void>(hooked);

  engine.module.reset(ndpi::init_module());
  std::string not_initialised = "libndpi " + engine.version + " could not be initialised";
  if (engine.module == nullptr) return not_initialised;

  ndpi::ProtocolsFile file;
  if (protocols_file != nullptr) {
    constexpr bool strict = NDPI_MAJOR == 4 && NDPI_MINOR == 2;
    if (std::string reason = file.read(protocols_file, strict); !reason.empty()) return reason;
    if (std::string reason = too_many_protocols(engine.module.get(), file); !reason.empty()) return reason;
    if (ndpi_load_protocols_file(engine.module.get(), protocols_file) < 0) {
      return std::string(protocols_file) + ": nDPI could not read it";
    }
  }
  if (!ndpi::finalize_module(engine.module.get())) return not_initialised;

  engine.protocols = ndpi::count_protocols(engine.module.get());
  engine.built_in = ndpi::count_built_in(engine.module.get());
  for (std::size_t i = 0; i < engine.confidences.size() && i < NDPI_CONFIDENCE_MAX; ++i) {
    const char* name = ndpi_confidence_get_name(static_cast<ndpi_confidence_t>(i));
    engine.confidences[i] = confidence_named(name != nullptr ? name : "");
  }
  return missing_protocol(engine.module.get(), file);
}

spanflow_engine* open(const spanflow_engine_options* options, char* error, std::size_t error_octets) {
  auto engine = std::make_unique<spanflow_engine>();
  const std::string reason = start(*engine, options != nullptr ? options->protocols_file : nullptr);
  if (reason.empty()) return engine.release();
  std::snprintf(error, error_octets, "%s", reason.c_str());
  return nullptr;
}

void close(spanflow_engine* engine) { std::unique_ptr<spanflow_engine>{engine}.reset(); }

const char* version(const spanflow_engine* engine) { return engine->version.c_str(); }

// --- flows -----------------------------------------------------------------------------------------------------------

// The core's memory of a flow. What nDPI said last stands behind nDPI's own state, whose shape changes.
struct Flow {
  ndpi::Flow state;
  ndpi::Outcome outcome;
  std::uint8_t confidence;  // as nDPI has it
  bool has_transport;
  std::uint8_t transport;  // of IP, as nDPI finds it in the flow's first packet
};
static_assert(alignof(Flow) <= 16);

std::size_t flow_octets(const spanflow_engine*) { return sizeof(Flow); }

void begin_flow(spanflow_engine*, void* flow) { std::memset(flow, 0, sizeof(Flow)); }

void end_flow(spanflow_engine*, void* flow) { ndpi_free_flow_data(&static_cast<Flow*>(flow)->state); }

// Parts of nDPI's state share their place: they are there when the payload, not a guess, told the protocol.
bool carries(const Flow& flow, bool (*is_carrier)(std::uint16_t)) {
  return flow.confidence >= SPANFLOW_CONFIDENCE_CACHE &&
         (is_carrier(flow.outcome.application) || is_carrier(flow.outcome.master));
}

// The protocols and what follows from them alone; `confidence` is nDPI's.
void set_protocols(const spanflow_engine& engine, const ndpi::Outcome& outcome, std::uint8_t confidence,
                   spanflow_verdict& verdict) {
  verdict = {};
  verdict.protocol = outcome.application != NDPI_PROTOCOL_UNKNOWN ? outcome.application : outcome.master;
  verdict.master_protocol = outcome.master != verdict.protocol ? outcome.master : std::uint16_t{0};
  verdict.category = outcome.category;
  verdict.dns_response_code = 255;
  verdict.done = outcome.done ? 1 : 0;
  if (verdict.protocol == NDPI_PROTOCOL_UNKNOWN) return;
  const bool own = verdict.protocol >= engine.built_in || verdict.master_protocol >= engine.built_in;
  verdict.confidence = own ? std::uint8_t{SPANFLOW_CONFIDENCE_RULE} : confidence;
}

void set_verdict(const spanflow_engine& engine, Flow& flow, const ndpi::Outcome& outcome, spanflow_verdict& verdict) {
  const ndpi::Flow& state = flow.state;
  const auto confidence = static_cast<std::size_t>(state.confidence);
  flow.outcome = outcome;
  flow.confidence = confidence < engine.confidences.size() ? engine.confidences[confidence] : std::uint8_t{0};

  set_protocols(engine, outcome, flow.confidence, verdict);
  verdict.risk = state.risk;
  if (state.risk != 0) {
    std::uint16_t client = 0;
    std::uint16_t server = 0;
    verdict.risk_score = ndpi_risk2score(state.risk, &client, &server);
  }
  if (carries(flow, ndpi::is_tls)) verdict.tls_version = state.protos.tls_quic.ssl_version;
  if (carries(flow, ndpi::is_dns)) {
    verdict.dns_query_type = state.protos.dns.query_type;
    if (state.protos.dns.is_query == 0) verdict.dns_response_code = state.protos.dns.reply_code;
  }
}

// nDPI's state of TCP and of UDP share their place, and nDPI goes by each packet alone: it does not survive a packet of
// another protocol in the flow, as one is whose IPv6 extension headers the core reads otherwise than nDPI.
bool belongs(Flow& flow, const std::uint8_t* network, std::uint16_t octets) {
  const std::uint8_t* payload = nullptr;
  std::uint16_t payload_octets = 0;
  std::uint8_t transport = 0;
  if (ndpi_detection_get_l4(network, octets, &payload, &payload_octets, &transport, 0) != 0) return false;
  if (!flow.has_transport) {
    flow.has_transport = true;
    flow.transport = transport;
  }
  return flow.transport == transport;
}

void inspect(spanflow_engine* engine, void* memory, const spanflow_packet* packet, spanflow_verdict* verdict) {
  auto& flow = *static_cast<Flow*>(memory);
  const auto octets = static_cast<std::uint16_t>(std::min<std::uint32_t>(packet->octets, 65535));
  ndpi::Outcome outcome = flow.outcome;
  if (belongs(flow, packet->network, octets)) {
    outcome = ndpi::inspect(
        engine->module.get(), &flow.state,
        {packet->network, octets, packet->time_ms, packet->from_server != 0, packet->seen_beginning != 0});
  }
  set_verdict(*engine, flow, outcome, *verdict);
}

void give_up(spanflow_engine* engine, void* memory, spanflow_verdict* verdict) {
  auto& flow = *static_cast<Flow*>(memory);
  const ndpi::Outcome outcome = ndpi::give_up(engine->module.get(), &flow.state);
  set_verdict(*engine, flow, outcome, *verdict);
}

std::uint32_t host_order(const std::uint8_t* address) {
  std::uint32_t value = 0;
  std::memcpy(&value, address, sizeof value);
  return ntohl(value);
}

void guess(spanflow_engine* engine, const spanflow_ends* ends, spanflow_verdict* verdict) {
  const bool has_ports = ends->protocol == IPPROTO_TCP || ends->protocol == IPPROTO_UDP;
  const bool is_v4 = ends->ip_version == 4;
  const ndpi::Ends known{is_v4 ? host_order(ends->client_address) : 0, is_v4 ? host_order(ends->server_address) : 0,
                         has_ports ? ends->client_port : std::uint16_t{0},
                         has_ports ? ends->server_port : std::uint16_t{0}, ends->protocol};
  const ndpi::Outcome outcome = ndpi::guess(engine->module.get(), known);
  // nDPI does not say how it came to know: ask again without the addresses.
  ndpi::Ends blind = known;
  blind.client_address = blind.server_address = 0;
  const bool by_address = is_v4 && outcome.application != NDPI_PROTOCOL_UNKNOWN &&
                          ndpi::guess(engine->module.get(), blind).application != outcome.application;
  set_protocols(*engine, outcome, by_address ? SPANFLOW_CONFIDENCE_ADDRESS : SPANFLOW_CONFIDENCE_PORT, *verdict);
}

// --- details ---------------------------------------------------------------------------------------------------------

std::size_t copy_address(std::span<const std::uint8_t> address, char* target, std::size_t octets) {
  char written[INET6_ADDRSTRLEN];
  const int family = address.size() == 4 ? AF_INET : AF_INET6;
  if (address.empty() || inet_ntop(family, address.data(), written, sizeof written) == nullptr) return 0;
  return ndpi::text(written).copy(target, octets);
}

std::size_t detail(const spanflow_engine*, const void* memory, spanflow_detail kind, char* target, std::size_t octets) {
  const auto& flow = *static_cast<const Flow*>(memory);
  const ndpi::Flow& state = flow.state;
  const bool tls = carries(flow, ndpi::is_tls);
  const bool dns = carries(flow, ndpi::is_dns);
  const bool http = carries(flow, ndpi::is_http);
  switch (kind) {
    case SPANFLOW_DETAIL_SERVER_NAME:
      return tls || dns || http ? ndpi::text(state.host_server_name).copy(target, octets) : 0;
    case SPANFLOW_DETAIL_JA3_CLIENT: return tls ? ndpi::ja3_client(state).copy(target, octets) : 0;
    case SPANFLOW_DETAIL_JA3_SERVER: return tls ? ndpi::ja3_server(state).copy(target, octets) : 0;
    case SPANFLOW_DETAIL_JA4_CLIENT: return tls ? ndpi::ja4_client(state).copy(target, octets) : 0;
    case SPANFLOW_DETAIL_ALPN: return tls ? ndpi::alpn(state).copy(target, octets) : 0;
    case SPANFLOW_DETAIL_HTTP_USER_AGENT: return ndpi::text(state.http.user_agent).copy(target, octets);
    case SPANFLOW_DETAIL_HTTP_URL: return ndpi::text(state.http.url).copy(target, octets);
    case SPANFLOW_DETAIL_DNS_ANSWER:
      return dns && state.protos.dns.is_query == 0 ? copy_address(ndpi::dns_answer(state.protos.dns), target, octets)
                                                   : 0;
    case SPANFLOW_DETAILS: break;
  }
  return 0;
}

// --- names -----------------------------------------------------------------------------------------------------------

std::uint32_t protocols(const spanflow_engine* engine, std::uint32_t* built_in) {
  *built_in = engine->built_in;
  return engine->protocols;
}

const char* protocol_name(const spanflow_engine* engine, std::uint16_t protocol) {
  if (protocol >= engine->protocols) return nullptr;
  const char* name = ndpi_get_proto_name(engine->module.get(), protocol);
  // nDPI names a number that is not used as it names 0.
  const bool is_unused = protocol != 0 && std::strcmp(name, ndpi_get_proto_name(engine->module.get(), 0)) == 0;
  return is_unused ? nullptr : name;
}

std::uint16_t protocol_category(const spanflow_engine* engine, std::uint16_t protocol) {
  return ndpi::category_of(engine->module.get(), protocol);
}

const char* protocol_breed(const spanflow_engine* engine, std::uint16_t protocol) {
  return ndpi::breed_name(engine->module.get(), protocol);
}

std::uint32_t categories(const spanflow_engine*) { return NDPI_PROTOCOL_NUM_CATEGORIES; }

const char* category_name(const spanflow_engine* engine, std::uint16_t category) {
  if (category >= NDPI_PROTOCOL_NUM_CATEGORIES) return nullptr;
  // Not each number below the last is one of the enumeration; nDPI's table has an empty name for the others.
  const auto value = static_cast<ndpi_protocol_category_t>(category);
  const char* name = ndpi_category_get_name(engine->module.get(), value);
  return name == nullptr || *name == '\0' ? nullptr : name;
}

const char* risk_name(std::uint32_t bit) {
  if (bit == NDPI_NO_RISK || bit >= NDPI_MAX_RISK) return nullptr;
  return ndpi_risk2str(static_cast<ndpi_risk_enum>(bit));
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const spanflow_classifier spanflow_classifier = {
    .abi = SPANFLOW_CLASSIFIER_ABI,
    .engine = "nDPI",
    .open = open,
    .close = close,
    .version = version,
    .flow_octets = flow_octets,
    .begin_flow = begin_flow,
    .end_flow = end_flow,
    .inspect = inspect,
    .give_up = give_up,
    .guess = guess,
    .detail = detail,
    .allocated = allocated,
    .protocols = protocols,
    .protocol_name = protocol_name,
    .protocol_category = protocol_category,
    .protocol_breed = protocol_breed,
    .categories = categories,
    .category_name = category_name,
    .risk_name = risk_name,
};
