// SPDX-License-Identifier: Apache-2.0
#include "capture/filter.hpp"

#include <pcap/pcap.h>

#include <string_view>
#include <utility>

namespace spanflow {

std::string libpcap_version() {
  const std::string text = pcap_lib_version();  // "libpcap version 1.10.3 (with TPACKET_V3)"
  constexpr std::string_view kBefore = "libpcap version ";
  const auto begin = text.starts_with(kBefore) ? kBefore.size() : 0;
  return text.substr(begin, text.find(' ', begin) - begin);
}

namespace {

// Fills `code`, or says what is wrong.
std::string compile(const std::string& expression, std::uint16_t link_type, bpf_program& code) {
  constexpr std::uint16_t kRawOnDisk = 101;  // LINKTYPE_RAW is written as 101 and compiled as DLT_RAW
  constexpr int kLargestSnapLength = 262144;
  const std::unique_ptr<pcap_t, decltype(&pcap_close)> handle(
      pcap_open_dead(link_type == kRawOnDisk ? DLT_RAW : link_type, kLargestSnapLength), &pcap_close);
  if (handle == nullptr) {
    return "out of memory";
  }
  if (pcap_compile(handle.get(), &code, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
    return std::string(pcap_geterr(handle.get())) + " (link type " + std::to_string(link_type) + ")";
  }
  return {};
}

}  // namespace

std::string filter_problem(const std::string& expression, std::uint16_t link_type) {
  bpf_program code{};
  auto problem = compile(expression, link_type, code);
  if (problem.empty()) {
    pcap_freecode(&code);
  }
  return problem;
}

struct PacketFilter::Program {
  std::uint16_t link_type = 0;
  bool compiled = false;
  bpf_program code{};

  ~Program() {
    if (compiled) {
      pcap_freecode(&code);
    }
  }
};

PacketFilter::PacketFilter(std::string expression) : expression_(std::move(expression)) {}
PacketFilter::~PacketFilter() = default;
PacketFilter::PacketFilter(PacketFilter&&) noexcept = default;

const PacketFilter::Program& PacketFilter::program_for(std::uint16_t link_type) {
  for (const auto& program : programs_) {
    if (program->link_type == link_type) {
      return *program;
    }
  }
  auto program = std::make_unique<Program>();
  program->link_type = link_type;
  auto problem = compile(expression_, link_type, program->code);
  program->compiled = problem.empty();
  if (error_.empty()) {
    error_ = std::move(problem);
  }
  programs_.push_back(std::move(program));
  return *programs_.back();
}

bool PacketFilter::matches(const Frame& frame) {
  const auto& program = program_for(frame.link_type);
  if (!program.compiled) {
    return false;
  }
  const pcap_pkthdr header{.ts = {}, .caplen = frame.captured_octets, .len = frame.wire_octets};
  return pcap_offline_filter(&program.code, &header, reinterpret_cast<const u_char*>(frame.data)) != 0;
}

}  // namespace spanflow
