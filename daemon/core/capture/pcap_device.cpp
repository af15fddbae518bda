// SPDX-License-Identifier: Apache-2.0
#include "capture/pcap_device.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <pcap/pcap.h>
#include <pcap/sll.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>

#include "capture/network_device.hpp"

namespace spanflow {
namespace {

constexpr std::size_t kMostFrames = 32;
constexpr std::uint16_t kLinkTypeRaw = 101;  // LINKTYPE_RAW, which is DLT_RAW 12 here
constexpr std::uint16_t kLinkTypeCooked2 = 276;
constexpr std::uint16_t kArpLoopback = 772;

[[noreturn]] void fail(int status, pcap_t* handle) {
  int error = EIO;
  switch (status) {
    case PCAP_ERROR_PERM_DENIED:
    case PCAP_ERROR_PROMISC_PERM_DENIED: error = EPERM; break;
    case PCAP_ERROR_NO_SUCH_DEVICE: error = ENODEV; break;
    case PCAP_ERROR_IFACE_NOT_UP: error = ENETDOWN; break;
    default: break;
  }
  const std::string said = handle != nullptr ? pcap_geterr(handle) : "";
  throw std::system_error(error, std::generic_category(), said.empty() ? pcap_statustostr(status) : said);
}

// Frames have 16 bits for it; a larger one is told as unknown, not as another interface.
std::uint16_t interface_number(std::uint32_t index) {
  return index <= std::numeric_limits<std::uint16_t>::max() ? static_cast<std::uint16_t>(index) : std::uint16_t{0};
}

}  // namespace

void PcapDevice::Closer::operator()(pcap* handle) const noexcept { pcap_close(handle); }

PcapDevice::PcapDevice(const PcapDeviceOptions& options)
    : name_(options.name), timeout_(options.timeout), snap_octets_(options.snap_octets) {
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  handle_.reset(pcap_create(name_.c_str(), error.data()));
  if (handle_ == nullptr) {
    throw std::system_error(EIO, std::generic_category(), error.data());
  }
  auto* handle = handle_.get();
  const auto largest = static_cast<std::size_t>(std::numeric_limits<int>::max());
  pcap_set_snaplen(handle, static_cast<int>(options.snap_octets));
  pcap_set_promisc(handle, options.promiscuous ? 1 : 0);
  pcap_set_timeout(handle, static_cast<int>(options.timeout.count()));
  pcap_set_buffer_size(handle, static_cast<int>(std::min(options.buffer_octets, largest)));
  pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO);
  if (const auto status = pcap_activate(handle); status < 0) {
    fail(status, handle);
  }
  if (pcap_setnonblock(handle, 1, error.data()) != 0) {
    throw std::system_error(EIO, std::generic_category(), error.data());
  }
  if (pcap_datalink(handle) == DLT_LINUX_SLL) {
    pcap_set_datalink(handle, DLT_LINUX_SLL2);  // tells the interface of each frame; not every libpcap has it
  }
  link_type_ = static_cast<std::uint16_t>(pcap_datalink(handle));
  if (link_type_ == DLT_RAW) {
    link_type_ = kLinkTypeRaw;
  }
  octets_.reserve(kMostFrames * snap_octets_);
  frames_.reserve(kMostFrames);
  state_.counts.appearances = 1;
  state_.bound = true;
  look_after();
}

PcapDevice::~PcapDevice() = default;

std::uint32_t PcapDevice::first_interface() const noexcept {
  if (exported_index_ != 0) {
    return exported_index_;
  }
  return link_type_ == kLinkTypeCooked2 ? 0 : state_.interface_index;
}

void PcapDevice::take(unsigned char* self, const void* header, const unsigned char* data) {
  const auto& info = *static_cast<const pcap_pkthdr*>(header);
  // With this precision the microseconds are nanoseconds.
  const auto time_ns = std::int64_t{info.ts.tv_sec} * 1'000'000'000 + info.ts.tv_usec;
  reinterpret_cast<PcapDevice*>(self)->keep(info.caplen, info.len, time_ns, reinterpret_cast<const std::byte*>(data));
}

void PcapDevice::keep(std::uint32_t captured, std::uint32_t wire, std::int64_t time_ns, const std::byte* data) {
  captured = static_cast<std::uint32_t>(std::min<std::size_t>(captured, octets_.capacity() - octets_.size()));
  Frame frame;
  frame.data = octets_.data() + octets_.size();  // the capacity suffices: nothing moves
  frame.captured_octets = captured;
  frame.wire_octets = wire;
  frame.time_ns = frame.clock_ns = time_ns;
  frame.link_type = link_type_;
  octets_.insert(octets_.end(), data, data + captured);
  if (link_type_ == kLinkTypeCooked2 && captured >= sizeof(sll2_header)) {
    sll2_header cooked{};
    std::memcpy(&cooked, frame.data, sizeof cooked);
    frame.interface = exported_index_ != 0 ? std::uint16_t{0} : interface_number(ntohl(cooked.sll2_if_index));
  }
  if (!is_outgoing_copy(frame)) {
    frames_.push_back(frame);
  }
}

// On the loopback interface each packet is seen twice (semantics §1).
bool PcapDevice::is_outgoing_copy(const Frame& frame) const noexcept {
  if (link_type_ != kLinkTypeCooked2 || frame.captured_octets < sizeof(sll2_header)) {
    return false;
  }
  sll2_header cooked{};
  std::memcpy(&cooked, frame.data, sizeof cooked);
  return ntohs(cooked.sll2_hatype) == kArpLoopback && cooked.sll2_pkttype == LINUX_SLL_OUTGOING;
}

std::size_t PcapDevice::next(std::span<Frame> frames) {
  frames_.clear();
  octets_.clear();
  const auto most = static_cast<int>(std::min(frames.size(), kMostFrames));
  const auto callback = [](u_char* self, const pcap_pkthdr* header, const u_char* data) { take(self, header, data); };
  if (pcap_dispatch(handle_.get(), most, callback, reinterpret_cast<u_char*>(this)) < 0) {
    state_.last_error = pcap_geterr(handle_.get());
    state_.bound = state_.up = false;
  }
  std::copy(frames_.begin(), frames_.end(), frames.begin());
  return frames_.size();
}

void PcapDevice::wait(int wake, std::chrono::milliseconds timeout) {
  std::array<pollfd, 2> waiting = {
      pollfd{.fd = state_.bound ? pcap_get_selectable_fd(handle_.get()) : -1, .events = POLLIN, .revents = 0},
      pollfd{.fd = wake, .events = POLLIN, .revents = 0}};
  poll(waiting.data(), waiting.size(), static_cast<int>(timeout.count()));
}

void PcapDevice::read_counts() {
  pcap_stat statistics{};
  if (pcap_stats(handle_.get(), &statistics) == 0) {
    // 32 bits that wrap; the difference is right all the same.
    state_.counts.kernel_received += statistics.ps_recv - last_received_;
    state_.counts.kernel_drops += statistics.ps_drop - last_dropped_;
    last_received_ = statistics.ps_recv;
    last_dropped_ = statistics.ps_drop;
  }
}

void PcapDevice::look_after() {
  read_counts();
  const auto asking = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto device = find_network_device(asking, name_);
  ::close(asking);
  if (device) {
    state_.interface_index = device->index;  // the last one, when it is gone: its Flows have yet to leave
  }
  state_.up = state_.bound && (!device || device->up);
}

// Not by pcap_setfilter: libpcap would apply that one to what is in its ring too, and throw it away.
void PcapDevice::close_gate() noexcept {
  bpf_insn none{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
  const sock_fprog nothing{.len = 1, .filter = reinterpret_cast<sock_filter*>(&none)};
  setsockopt(pcap_fileno(handle_.get()), SOL_SOCKET, SO_ATTACH_FILTER, &nothing, sizeof nothing);
}

}  // namespace spanflow
