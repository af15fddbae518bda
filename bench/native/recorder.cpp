// SPDX-License-Identifier: Apache-2.0
// A classification engine that passes every call on to a real one and writes it down. The core takes it for an engine.
//   RECORDER_ENGINE=the real one, RECORDER_TRACE=the file to write
// One flow's memory is told from the next by its place: the core begins with the first and keeps all in one array.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "engine_trace.hpp"
#include "load_engine.hpp"

using bench::Call;
using bench::CallHead;
using bench::fail;

struct spanflow_engine {
  spanflow_engine* real = nullptr;
  std::FILE* file = nullptr;
  const char* first_flow = nullptr;
  std::uint64_t flows = 0;
  std::int64_t allocated_before = 0;
  bench::TraceHead head;
  bench::Digest digest;
};

namespace {

constexpr std::size_t kAlignment = 64;  // of the core's states

const char* environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : (fail("recorder", name), nullptr);
}

const spanflow_classifier& real() {
  static const spanflow_classifier& engine = bench::load_engine(environment("RECORDER_ENGINE"));
  return engine;
}

void put(spanflow_engine& engine, const void* data, std::size_t octets) {
  constexpr char kFill[8] = {};
  const auto fill = bench::filled_up(octets) - octets;
  if (std::fwrite(data, 1, octets, engine.file) != octets || std::fwrite(kFill, 1, fill, engine.file) != fill) {
    fail("recorder", "the trace cannot be written");
  }
}

void record(spanflow_engine& engine, CallHead head, const void* flow, const void* data = nullptr) {
  if (flow != nullptr) {
    const auto place = static_cast<const char*>(flow) - engine.first_flow;
    if (place < 0 || static_cast<std::uint64_t>(place) % engine.head.stride != 0) {
      fail("recorder", "a flow is not where it was expected");
    }
    head.slot = static_cast<std::uint32_t>(static_cast<std::uint64_t>(place) / engine.head.stride);
    engine.head.slots = std::max<std::uint64_t>(engine.head.slots, head.slot + 1);
  }
  put(engine, &head, sizeof head);
  engine.head.octets += sizeof head;
  engine.head.calls[static_cast<std::size_t>(head.call)] += 1;
  if (data != nullptr) {
    put(engine, data, head.octets);
    engine.head.octets += bench::filled_up(head.octets);
  }
}

CallHead head_of(Call call) {
  return {.call = call, .from_server = 0, .seen_beginning = 0, .kind = 0, .slot = 0, .octets = 0, .time_ms = 0};
}

void note_memory(spanflow_engine& engine) {
  const auto allocated = real().allocated() - engine.allocated_before;
  if (allocated > engine.head.most_allocated) {
    engine.head.most_allocated = allocated;
    engine.head.flows_then = engine.flows;
  }
}

spanflow_engine* open(const spanflow_engine_options* options, char* error, std::size_t error_octets) {
  auto* opened = real().open(options, error, error_octets);
  if (opened == nullptr) {
    return nullptr;
  }
  auto* engine = new spanflow_engine;
  engine->real = opened;
  engine->head.stride = (real().flow_octets(opened) + kAlignment - 1) / kAlignment * kAlignment;
  return engine;
}

void close(spanflow_engine* engine) {
  if (engine->file != nullptr) {
    engine->head.magic = bench::TraceHead::kMagic;
    engine->head.digest = engine->digest.value();
    std::rewind(engine->file);
    put(*engine, &engine->head, sizeof engine->head);
    if (std::fclose(engine->file) != 0) {
      fail("recorder", "the trace cannot be written");
    }
  }
  real().close(engine->real);
  delete engine;
}

const char* version(const spanflow_engine* engine) { return real().version(engine->real); }

std::size_t flow_octets(const spanflow_engine* engine) { return real().flow_octets(engine->real); }

// The file is opened with the first flow: who only asks for names leaves no trace.
void begin(spanflow_engine& engine, const void* flow) {
  engine.file = std::fopen(environment("RECORDER_TRACE"), "wb");
  if (engine.file == nullptr) {
    fail("recorder", "the trace cannot be written");
  }
  put(engine, &engine.head, sizeof engine.head);
  engine.first_flow = static_cast<const char*>(flow);
  engine.allocated_before = real().allocated();
}

void begin_flow(spanflow_engine* engine, void* flow) {
  if (engine->file == nullptr) {
    begin(*engine, flow);
  }
  record(*engine, head_of(Call::begin_flow), flow);
  engine->flows += 1;
  engine->head.most_flows = std::max(engine->head.most_flows, engine->flows);
  real().begin_flow(engine->real, flow);
}

void end_flow(spanflow_engine* engine, void* flow) {
  record(*engine, head_of(Call::end_flow), flow);
  engine->flows -= 1;
  real().end_flow(engine->real, flow);
}

void inspect(spanflow_engine* engine, void* flow, const spanflow_packet* packet, spanflow_verdict* verdict) {
  auto head = head_of(Call::inspect);
  head.from_server = packet->from_server;
  head.seen_beginning = packet->seen_beginning;
  head.octets = packet->octets;
  head.time_ms = packet->time_ms;
  record(*engine, head, flow, packet->network);
  real().inspect(engine->real, flow, packet, verdict);
  engine->digest.add(*verdict);
  note_memory(*engine);
}

void give_up(spanflow_engine* engine, void* flow, spanflow_verdict* verdict) {
  record(*engine, head_of(Call::give_up), flow);
  real().give_up(engine->real, flow, verdict);
  engine->digest.add(*verdict);
}

void guess(spanflow_engine* engine, const spanflow_ends* ends, spanflow_verdict* verdict) {
  if (engine->file != nullptr) {  // before the first flow: the few that come then are not missed
    auto head = head_of(Call::guess);
    head.octets = sizeof *ends;
    record(*engine, head, nullptr, ends);
  }
  real().guess(engine->real, ends, verdict);
  if (engine->file != nullptr) {
    engine->digest.add(*verdict);
  }
}

std::size_t detail(const spanflow_engine* engine, const void* flow, spanflow_detail kind, char* text,
                   std::size_t octets) {
  auto& mine = const_cast<spanflow_engine&>(*engine);
  auto head = head_of(Call::detail);
  head.kind = static_cast<std::uint8_t>(kind);
  head.octets = static_cast<std::uint32_t>(octets);
  record(mine, head, flow);
  const auto length = real().detail(engine->real, flow, kind, text, octets);
  mine.digest.add(length);
  mine.head.detail_octets += length;
  return length;
}

std::int64_t allocated() { return real().allocated(); }

std::uint32_t protocols(const spanflow_engine* engine, std::uint32_t* built_in) {
  return real().protocols(engine->real, built_in);
}
const char* protocol_name(const spanflow_engine* engine, std::uint16_t protocol) {
  return real().protocol_name(engine->real, protocol);
}
std::uint16_t protocol_category(const spanflow_engine* engine, std::uint16_t protocol) {
  return real().protocol_category(engine->real, protocol);
}
const char* protocol_breed(const spanflow_engine* engine, std::uint16_t protocol) {
  return real().protocol_breed(engine->real, protocol);
}
std::uint32_t categories(const spanflow_engine* engine) { return real().categories(engine->real); }
const char* category_name(const spanflow_engine* engine, std::uint16_t category) {
  return real().category_name(engine->real, category);
}
const char* risk_name(std::uint32_t bit) { return real().risk_name(bit); }

}  // namespace

extern "C" const spanflow_classifier spanflow_classifier = {
    .abi = SPANFLOW_CLASSIFIER_ABI,
    .engine = "recorder",
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
