// SPDX-License-Identifier: Apache-2.0
//
// The floor: what merely walking a capture file costs, the least that any probe can reach.
//
//   floor read FILE    read() into one buffer of 256 KiB, walk that
//   floor mmap FILE    map the file, walk it in place (page faults included)
//
// "Walk" means: every record header, and the first 56 octets of every frame (Ethernet, IPv6 and two
// ports fit in 58; fewer octets where the frame is shorter). Classic pcap in this host's byte order
// only, which is what bench/traffic.py writes. Prints one JSON line; exit code 1 with a line on stderr.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t buffer_octets = std::size_t{256} * 1024;
constexpr std::size_t file_header_octets = 24;
constexpr std::size_t record_header_octets = 16;
constexpr std::size_t touched_octets = 56;

// Owner: the one thread of this program.
struct Walk {
  std::uint64_t packets = 0;
  std::uint64_t wire_octets = 0;
  std::uint64_t fingerprint = 0;  // of the octets touched, so that no load is optimised away
};

std::runtime_error failure(std::string_view what) {
  return std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

template <typename Word>
Word load(std::span<const std::byte> octets, std::size_t at) noexcept {
  Word word;
  std::memcpy(&word, octets.subspan(at).data(), sizeof word);
  return word;
}

std::uint64_t touch(std::span<const std::byte> frame) noexcept {
  std::uint64_t sum = 0;
  if (frame.size() >= touched_octets) {
    for (std::size_t at = 0; at < touched_octets; at += 8) sum ^= load<std::uint64_t>(frame, at);
    return sum;
  }
  for (const std::byte octet : frame) sum = sum * 31 + std::to_integer<std::uint64_t>(octet);
  return sum;
}

// Walks the whole records at the start of `data`; returns how many octets they take.
std::size_t walk_records(std::span<const std::byte> data, Walk& walk) noexcept {
  std::size_t at = 0;
  while (data.size() - at >= record_header_octets) {
    const auto captured = load<std::uint32_t>(data, at + 8);
    const std::size_t body = at + record_header_octets;
    if (data.size() - body < captured) break;
    walk.packets += 1;
    walk.wire_octets += load<std::uint32_t>(data, at + 12);
    walk.fingerprint += touch(data.subspan(body, captured));
    at = body + captured;
  }
  return at;
}

void check_file_header(std::span<const std::byte> data) {
  if (data.size() < file_header_octets) throw std::runtime_error("shorter than a pcap file header");
  const auto magic = load<std::uint32_t>(data, 0);
  if (magic != 0xa1b2c3d4 && magic != 0xa1b23c4d) {
    throw std::runtime_error("not a classic pcap file in this host's byte order");
  }
}

std::size_t read_some(int file, std::span<std::byte> room) {
  const ssize_t got = ::read(file, room.data(), room.size());
  if (got < 0) throw failure("read");
  return static_cast<std::size_t>(got);
}

Walk walk_by_read(int file) {
  std::vector<std::byte> storage(buffer_octets);
  const std::span<std::byte> buffer(storage);
  Walk walk;
  std::size_t filled = read_some(file, buffer);
  check_file_header(buffer.first(filled));
  std::size_t used = file_header_octets;
  for (;;) {
    used += walk_records(buffer.subspan(used, filled - used), walk);
    if (used == 0 && filled == buffer.size()) throw std::runtime_error("a record exceeds 256 KiB");
    std::memmove(buffer.data(), buffer.subspan(used).data(), filled - used);
    filled -= used;
    used = 0;
    const std::size_t got = read_some(file, buffer.subspan(filled));
    if (got == 0) break;
    filled += got;
  }
  if (filled != 0) throw std::runtime_error("the last record is cut");
  return walk;
}

Walk walk_by_mmap(int file) {
  struct stat status{};
  if (::fstat(file, &status) != 0) throw failure("fstat");
  const auto octets = static_cast<std::size_t>(status.st_size);
  void* const mapped = ::mmap(nullptr, octets, PROT_READ, MAP_PRIVATE, file, 0);
  if (mapped == MAP_FAILED) throw failure("mmap");
  ::madvise(mapped, octets, MADV_SEQUENTIAL);
  const std::span data(static_cast<const std::byte*>(mapped), octets);
  check_file_header(data);
  Walk walk;
  const auto records = data.subspan(file_header_octets);
  if (walk_records(records, walk) != records.size()) throw std::runtime_error("the last record is cut");
  return walk;
}

void run(std::string_view mode, const char* path) {
  if (mode != "read" && mode != "mmap") throw std::runtime_error("unknown mode, use read or mmap");
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) throw failure("open");
  const auto begin = std::chrono::steady_clock::now();
  const Walk walk = mode == "read" ? walk_by_read(file) : walk_by_mmap(file);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  ::close(file);
  const double packets = static_cast<double>(std::max<std::uint64_t>(walk.packets, 1));
  std::printf(
      "{\"mode\": \"%s\", \"packets\": %llu, \"wire_octets\": %llu, \"seconds\": %.6f, "
      "\"ns_per_packet\": %.2f, \"fingerprint\": \"%016llx\"}\n",
      mode.data(), static_cast<unsigned long long>(walk.packets), static_cast<unsigned long long>(walk.wire_octets),
      elapsed.count(), elapsed.count() * 1e9 / packets, static_cast<unsigned long long>(walk.fingerprint));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fputs("usage: floor read|mmap FILE\n", stderr);
    return 64;
  }
  try {
    run(arguments[1], arguments[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "floor %s: %s\n", arguments[2], error.what());
    return 1;
  }
  return 0;
}
