// SPDX-License-Identifier: Apache-2.0
#include "capture/kernel_program.hpp"

#include <linux/if_ether.h>
#include <pcap/pcap.h>

#include <array>
#include <cstddef>
#include <memory>

namespace spanflow {
namespace {

constexpr std::uint32_t kAncillary = static_cast<std::uint32_t>(SKF_AD_OFF);
constexpr std::uint32_t kNetworkHeader = static_cast<std::uint32_t>(SKF_NET_OFF);
constexpr std::uint32_t kLinkHeader = static_cast<std::uint32_t>(SKF_LL_OFF);
constexpr std::uint16_t kLinkTypeEthernet = 1;
constexpr std::uint32_t kEthernetHeader = 14;
constexpr std::size_t kMostTags = 8;
constexpr std::size_t kMostInstructions = 4096;  // BPF_MAXINSNS
constexpr int kLargestSnapLength = 262144;

// Scratch memory cells.
constexpr std::uint32_t kHash = 0;
constexpr std::uint32_t kOffset = 1;
constexpr std::uint32_t kProtocol = 2;

// Appends instructions; jumps forward to places that are not known yet.
class Assembler {
 public:
  // A place in the program that jumps lead to.
  class Label {
    friend class Assembler;
    std::vector<std::size_t> jumps_;
  };

  void add(int code, std::uint32_t k = 0) { add_jump(code, k, 0, 0); }

  void go_to(Label& label) {
    label.jumps_.push_back(program_.size());
    add(BPF_JMP | BPF_JA);
  }
  // Goes on with the next instruction if the test fails.
  void if_equal(std::uint32_t k, Label& label) {
    add_jump(BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1);
    go_to(label);
  }
  void if_below(std::uint32_t k, Label& label) {
    add_jump(BPF_JMP | BPF_JGE | BPF_K, k, 1, 0);
    go_to(label);
  }
  void place(Label& label) {
    for (const auto jump : label.jumps_) {
      program_[jump].k = static_cast<std::uint32_t>(program_.size() - jump - 1);
    }
    label.jumps_.clear();
  }
  // Another program, whose own decisions lead on: acceptance to the instruction that follows, rejection ends it.
  void embed(const bpf_program& code) {
    Label accepted;
    for (std::uint32_t index = 0; index < code.bf_len; ++index) {
      const auto& instruction = code.bf_insns[index];
      if (instruction.code == (BPF_RET | BPF_K) && instruction.k != 0) {
        go_to(accepted);
      } else {
        add_jump(instruction.code, instruction.k, instruction.jt, instruction.jf);
      }
    }
    place(accepted);
  }
  [[nodiscard]] KernelProgram take() { return std::move(program_); }

 private:
  void add_jump(int code, std::uint32_t k, std::uint8_t yes, std::uint8_t no) {
    program_.push_back(sock_filter{.code = static_cast<std::uint16_t>(code), .jt = yes, .jf = no, .k = k});
  }

  KernelProgram program_;
};

// Leaves the folded hash of the address pair in A. `begin`: where the frame begins, as an offset that loads understand.
// `guarded`: a load behind the end would reject the frame, so lengths are looked at first.
void hash_addresses(Assembler& code, std::uint16_t link_type, std::uint32_t begin, bool guarded) {
  const auto ethernet = link_type == kLinkTypeEthernet;
  const auto network = begin + (ethernet ? kEthernetHeader : 0);
  Assembler::Label ipv4;
  Assembler::Label ipv6;
  Assembler::Label other;
  Assembler::Label fold;
  // X is how far the tags have carried us; jumps away when less than `octets` of the frame are left behind it.
  const auto need = [&](std::uint32_t octets) {
    if (guarded) {
      code.add(BPF_LD | BPF_W | BPF_LEN);
      code.add(BPF_ALU | BPF_SUB | BPF_X);
      code.if_below(network + octets, other);
    }
  };
  code.add(BPF_LDX | BPF_IMM, 0);
  if (ethernet) {
    code.add(BPF_LD | BPF_H | BPF_ABS, network - 2);
  } else {
    code.add(BPF_LD | BPF_W | BPF_ABS, kAncillary + SKF_AD_PROTOCOL);
  }
  for (std::size_t tags = 0; tags <= kMostTags; ++tags) {
    Assembler::Label tag;
    code.if_equal(ETH_P_IP, ipv4);
    code.if_equal(ETH_P_IPV6, ipv6);
    code.if_equal(ETH_P_8021Q, tag);
    code.if_equal(ETH_P_8021AD, tag);
    code.if_equal(ETH_P_QINQ1, tag);
    code.go_to(other);
    code.place(tag);
    need(4);
    code.add(BPF_LD | BPF_H | BPF_IND, network + 2);
    code.add(BPF_ST, kProtocol);
    code.add(BPF_MISC | BPF_TXA);
    code.add(BPF_ALU | BPF_ADD | BPF_K, 4);
    code.add(BPF_MISC | BPF_TAX);
    code.add(BPF_LD | BPF_W | BPF_MEM, kProtocol);
  }
  code.place(other);
  code.add(BPF_LD | BPF_IMM, 0);
  code.go_to(fold);

  code.place(ipv4);
  need(20);
  code.add(BPF_STX, kOffset);
  code.add(BPF_LD | BPF_W | BPF_IND, network + 12);
  code.add(BPF_ST, kHash);
  code.add(BPF_LD | BPF_W | BPF_IND, network + 16);
  code.add(BPF_LDX | BPF_MEM, kHash);
  code.add(BPF_ALU | BPF_XOR | BPF_X);
  code.go_to(fold);

  code.place(ipv6);
  need(40);
  code.add(BPF_STX, kOffset);
  code.add(BPF_LD | BPF_IMM, 0);
  for (std::uint32_t at = 8; at < 40; at += 4) {
    code.add(BPF_ST, kHash);
    code.add(BPF_LDX | BPF_MEM, kOffset);
    code.add(BPF_LD | BPF_W | BPF_IND, network + at);
    code.add(BPF_LDX | BPF_MEM, kHash);
    code.add(BPF_ALU | BPF_XOR | BPF_X);
  }

  code.place(fold);
  for (const std::uint32_t bits : {16U, 8U}) {
    code.add(BPF_MISC | BPF_TAX);
    code.add(BPF_ALU | BPF_RSH | BPF_K, bits);
    code.add(BPF_ALU | BPF_XOR | BPF_X);
  }
}

void add_filter(Assembler& code, const Admission& options) {
  const auto ethernet = options.link_type == kLinkTypeEthernet;
  const std::unique_ptr<pcap_t, decltype(&pcap_close)> handle(
      pcap_open_dead(ethernet ? DLT_EN10MB : DLT_RAW, kLargestSnapLength), &pcap_close);
  bpf_program compiled{};
  if (handle == nullptr ||
      pcap_compile(handle.get(), &compiled, options.filter.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
    return;  // PacketFilter says so for every frame
  }
  constexpr std::size_t kOwnInstructions = 512;
  if (compiled.bf_len + kOwnInstructions <= kMostInstructions) {
    Assembler::Label whole;
    Assembler::Label tag_is_apart;
    code.add(BPF_LD | BPF_W | BPF_ABS, kAncillary + SKF_AD_VLAN_TAG_PRESENT);
    code.if_equal(0, whole);
    code.go_to(tag_is_apart);
    code.place(whole);
    code.embed(compiled);
    code.place(tag_is_apart);
  }
  pcap_freecode(&compiled);
}

}  // namespace

KernelProgram closed_gate() {
  Assembler code;
  code.add(BPF_RET | BPF_K, 0);
  return code.take();
}

KernelProgram admission(const Admission& options) {
  Assembler code;
  if (!options.filter.empty()) {
    add_filter(code, options);
  }
  if (options.workers > 1) {
    Assembler::Label ours;
    hash_addresses(code, options.link_type, 0, true);
    code.add(BPF_ALU | BPF_MOD | BPF_K, options.workers);
    code.if_equal(options.worker, ours);
    code.add(BPF_RET | BPF_K, 0);
    code.place(ours);
  }
  code.add(BPF_RET | BPF_K, options.snap_octets);
  return code.take();
}

KernelProgram fanout_program(std::uint16_t link_type) {
  Assembler code;
  hash_addresses(code, link_type, link_type == kLinkTypeEthernet ? kLinkHeader : kNetworkHeader, false);
  code.add(BPF_RET | BPF_A);
  return code.take();
}

}  // namespace spanflow
