// SPDX-License-Identifier: Apache-2.0
// The classification engine nDPI behind classifier.h. Knows no version: what differs is in ndpi_era.hpp.
#include <arpa/inet.h>
#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "classifier.h"
#include "ndpi_era.hpp"
#include "ndpi_protocols_file.hpp"

namespace ndpi = spanflow::ndpi;

struct spanflow_engine {
  struct Exit {
    void operator()(ndpi::Module* module) const { ndpi_exit_detection_module(module); }
  };

  std::unique_ptr<ndpi::Module, Exit> module;
  std::string version;
  std::uint32_t protocols = 0;
  std::uint32_t built_in = 0;
};

namespace {

// --- memory ----------------------------------------------------------------------------------------------------------

// Of the calling thread. nDPI's hooks are process-wide, its modules are used by one thread each.
thread_local std::int64_t octets_allocated = 0;

void* allocate(std::size_t octets) {
  void* memory = std::malloc(octets);
  octets_allocated += static_cast<std::int64_t>(malloc_usable_size(memory));
  return memory;
}

void release(void* memory) {
  octets_allocated -= static_cast<std::int64_t>(malloc_usable_size(memory));
  std::free(memory);
}

std::int64_t allocated() { return octets_allocated; }

// --- open, close -----------------------------------------------------------------------------------------------------

void say(char* error, std::size_t octets, const std::string& text) {
  std::snprintf(error, octets, "%s", text.c_str());
}

// "4.2.0" of "4.2.0-8668-a1b2c3".
std::string library_version() {
  const std::string_view revision = ndpi_revision();
  return std::string(revision.substr(0, revision.find_first_not_of("0123456789.")));
}

// The symbols keep their names when their arguments change: calling another version corrupts memory.
bool is_other_library(const std::string& version) {
  const std::string wanted = std::to_string(NDPI_MAJOR) + '.' + std::to_string(NDPI_MINOR) + '.';
  return !version.starts_with(wanted) || ndpi_detection_get_sizeof_ndpi_flow_struct() != sizeof(ndpi::Flow);
}

spanflow_engine* open(const spanflow_engine_options* options, char* error, std::size_t error_octets) {
  const std::string version = library_version();
  if (is_other_library(version)) {
    say(error, error_octets,
        "libndpi is version " + version + " (API " + std::to_string(ndpi_get_api_version()) +
            "), this classifier was built for " + std::to_string(NDPI_MAJOR) + '.' + std::to_string(NDPI_MINOR) + '.' +
            std::to_string(NDPI_PATCH) + " (API " + std::to_string(NDPI_API_VERSION) + "); build it again");
    return nullptr;
  }
  static const bool hooked = (ndpi::set_allocation(allocate, release), true);  // never again: what is freed must pair
  static_cast<void>(hooked);

  auto engine = std::make_unique<spanflow_engine>();
  engine->version = version;
  engine->module.reset(ndpi::init_module());
  if (engine->module == nullptr || !ndpi::enable_protocols(engine->module.get())) {
    say(error, error_octets, "libndpi " + version + " could not be initialised");
    return nullptr;
  }
  if (options != nullptr && options->protocols_file != nullptr) {
    const std::string reason = ndpi::load_protocols_file(engine->module.get(), options->protocols_file);
    if (!reason.empty()) {
      say(error, error_octets, reason);
      return nullptr;
    }
  }
  if (!ndpi::finalize_module(engine->module.get())) {
    say(error, error_octets, "libndpi " + version + " could not be initialised");
    return nullptr;
  }
  engine->protocols = ndpi_get_ndpi_num_supported_protocols(engine->module.get());
  engine->built_in = engine->protocols - ndpi_get_ndpi_num_custom_protocols(engine->module.get());
  return engine.release();
}

void close(spanflow_engine* engine) { std::unique_ptr<spanflow_engine>{engine}.reset(); }

const char* version(const spanflow_engine* engine) { return engine->version.c_str(); }

// --- flows -----------------------------------------------------------------------------------------------------------

std::size_t flow_octets(const spanflow_engine*) { return sizeof(ndpi::Flow); }

void begin_flow(spanflow_engine*, void* flow) { std::memset(flow, 0, sizeof(ndpi::Flow)); }

void end_flow(spanflow_engine*, void* flow) { ndpi_free_flow_data(static_cast<ndpi::Flow*>(flow)); }

std::uint8_t confidence_of(const spanflow_engine& engine, const ndpi::Flow& flow, const spanflow_verdict& verdict) {
  if (verdict.protocol >= engine.built_in || verdict.master_protocol >= engine.built_in) {
    return SPANFLOW_CONFIDENCE_RULE;
  }
  return verdict.protocol == NDPI_PROTOCOL_UNKNOWN ? std::uint8_t{SPANFLOW_CONFIDENCE_NONE}
                                                   : ndpi::confidence_of(flow);
}

void set_protocols(const ndpi::Outcome& outcome, spanflow_verdict& verdict) {
  verdict.protocol = outcome.application != NDPI_PROTOCOL_UNKNOWN ? outcome.application : outcome.master;
  verdict.master_protocol = outcome.master != verdict.protocol ? outcome.master : std::uint16_t{0};
  verdict.category = outcome.category;
  verdict.done = outcome.done;
}

// Parts of the flow's union are only there when the payload, not a guess, told the protocol.
template <typename Predicate>
bool carries(const ndpi::Flow& flow, Predicate predicate) {
  return ndpi::is_inspected(flow) &&
         (predicate(flow.detected_protocol_stack[0]) || predicate(flow.detected_protocol_stack[1]));
}

void set_verdict(const spanflow_engine& engine, const ndpi::Flow& flow, const ndpi::Outcome& outcome,
                 spanflow_verdict& verdict) {
  verdict = {};
  set_protocols(outcome, verdict);
  verdict.confidence = confidence_of(engine, flow, verdict);
  verdict.risk = flow.risk;
  if (flow.risk != 0) {
    std::uint16_t client = 0;
    std::uint16_t server = 0;
    verdict.risk_score = ndpi_risk2score(flow.risk, &client, &server);
  }
  if (carries(flow, ndpi::is_tls)) verdict.tls_version = flow.protos.tls_quic.ssl_version;
  verdict.dns_response_code = 255;
  if (carries(flow, ndpi::is_dns)) {
    verdict.dns_query_type = flow.protos.dns.query_type;
    if (flow.protos.dns.is_query == 0) verdict.dns_response_code = flow.protos.dns.reply_code;
  }
}

void inspect(spanflow_engine* engine, void* memory, const spanflow_packet* packet, spanflow_verdict* verdict) {
  auto* flow = static_cast<ndpi::Flow*>(memory);
  const auto octets = static_cast<std::uint16_t>(std::min<std::uint32_t>(packet->octets, 65535));
  const ndpi::Outcome outcome =
      ndpi::inspect(engine->module.get(), flow,
                    {packet->network, octets, packet->time_ms, packet->from_server != 0, packet->seen_beginning != 0});
  set_verdict(*engine, *flow, outcome, *verdict);
}

void give_up(spanflow_engine* engine, void* memory, spanflow_verdict* verdict) {
  auto* flow = static_cast<ndpi::Flow*>(memory);
  const ndpi::Outcome outcome = ndpi::give_up(engine->module.get(), flow);
  set_verdict(*engine, *flow, outcome, *verdict);
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
  *verdict = {};
  set_protocols(outcome, *verdict);
  verdict->dns_response_code = 255;
  verdict->done = 1;
  if (verdict->protocol == NDPI_PROTOCOL_UNKNOWN) return;
  if (verdict->protocol >= engine->built_in || verdict->master_protocol >= engine->built_in) {
    verdict->confidence = SPANFLOW_CONFIDENCE_RULE;
    return;
  }
  // nDPI does not say how it came to know: ask again without the addresses.
  ndpi::Ends blind = known;
  blind.client_address = blind.server_address = 0;
  const bool by_address = is_v4 && ndpi::guess(engine->module.get(), blind).application != outcome.application;
  verdict->confidence = by_address ? SPANFLOW_CONFIDENCE_ADDRESS : SPANFLOW_CONFIDENCE_PORT;
}

// --- details ---------------------------------------------------------------------------------------------------------

std::size_t copy(std::string_view text, char* target, std::size_t octets) {
  const std::size_t length = std::min(text.size(), octets);
  std::memcpy(target, text.data(), length);
  return length;
}

// The first address of the answer, when it was one.
std::size_t copy_answer(const ndpi::Flow& flow, char* target, std::size_t octets) {
  constexpr std::uint16_t type_a = 1;
  constexpr std::uint16_t type_aaaa = 28;
  const auto& dns = flow.protos.dns;
  if (dns.is_query != 0 || dns.num_answers == 0 || (dns.rsp_type != type_a && dns.rsp_type != type_aaaa)) return 0;
  char address[INET6_ADDRSTRLEN];
  if (inet_ntop(dns.rsp_type == type_a ? AF_INET : AF_INET6, &dns.rsp_addr, address, sizeof address) == nullptr) {
    return 0;
  }
  return copy(ndpi::text(address), target, octets);
}

std::size_t detail(const spanflow_engine*, const void* memory, spanflow_detail kind, char* target, std::size_t octets) {
  const auto& flow = *static_cast<const ndpi::Flow*>(memory);
  const bool tls = carries(flow, ndpi::is_tls);
  switch (kind) {
    case SPANFLOW_DETAIL_SERVER_NAME:
      if (!tls && !carries(flow, ndpi::is_http) && !carries(flow, ndpi::is_dns)) return 0;
      return copy(ndpi::text(flow.host_server_name), target, octets);
    case SPANFLOW_DETAIL_JA3_CLIENT: return tls ? copy(ndpi::ja3_client(flow), target, octets) : 0;
    case SPANFLOW_DETAIL_JA3_SERVER: return tls ? copy(ndpi::ja3_server(flow), target, octets) : 0;
    case SPANFLOW_DETAIL_JA4_CLIENT: return tls ? copy(ndpi::ja4_client(flow), target, octets) : 0;
    case SPANFLOW_DETAIL_ALPN: return tls ? copy(ndpi::alpn(flow), target, octets) : 0;
    case SPANFLOW_DETAIL_HTTP_USER_AGENT: return copy(ndpi::text(flow.http.user_agent), target, octets);
    case SPANFLOW_DETAIL_HTTP_URL: return copy(ndpi::text(flow.http.url), target, octets);
    case SPANFLOW_DETAIL_DNS_ANSWER: return carries(flow, ndpi::is_dns) ? copy_answer(flow, target, octets) : 0;
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
  const char* name =
      ndpi_category_get_name(engine->module.get(), static_cast<ndpi_protocol_category_t>(category));
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
