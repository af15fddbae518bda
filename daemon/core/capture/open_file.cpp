// SPDX-License-Identifier: Apache-2.0
// Which kind of file is this?
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "capture/pcap_file.hpp"
#include "capture/pcapng_file.hpp"
#include "capture/source.hpp"

namespace spanflow {
namespace {

struct Compression {
  std::uint32_t magic;  // of the first octets, little endian
  std::uint32_t mask;
  const char* name;
  const char* command;
};
constexpr std::array<Compression, 5> kCompressions = {{{0x00008b1f, 0x0000ffff, "gzip", "zcat"},
                                                       {0xfd2fb528, 0xffffffff, "zstd", "zstdcat"},
                                                       {0x587a37fd, 0xffffffff, "xz", "xzcat"},
                                                       {0x184d2204, 0xffffffff, "lz4", "lz4cat"},
                                                       {0x00685a42, 0x00ffffff, "bzip2", "bzcat"}}};

Problem cannot_open(int error) {
  switch (error) {
    case ENOENT: return {.kind = Problem::Kind::not_found, .text = "no such file; check the path"};
    case EACCES:
    case EPERM:
      return {.kind = Problem::Kind::not_permitted, .text = "not permitted to read it; check its owner and mode"};
    default: return {.kind = Problem::Kind::unreadable, .text = std::string(std::strerror(error)) + "; check the path"};
  }
}

Problem not_a_capture(const ByteStream& stream, const std::string& path) {
  if (stream.available() == 0) {
    return {.kind = Problem::Kind::not_a_capture, .text = "empty; give a pcap or pcapng file"};
  }
  std::array<std::uint8_t, 4> octets{};
  std::memcpy(octets.data(), stream.data(), std::min(octets.size(), stream.available()));
  const auto magic = FileOrder().u32(reinterpret_cast<const std::byte*>(octets.data()));
  for (const auto& compression : kCompressions) {
    if ((magic & compression.mask) == compression.magic) {
      return {.kind = Problem::Kind::not_a_capture,
              .text = std::string("compressed by ") + compression.name + "; pipe it in: " + compression.command + " " +
                      path + " | spanflow meter -"};
    }
  }
  std::array<char, 64> first{};
  std::snprintf(first.data(), first.size(), "%02x %02x %02x %02x", octets[0], octets[1], octets[2], octets[3]);
  return {.kind = Problem::Kind::not_a_capture,
          .text = std::string("not a capture, it begins with ") + first.data() + "; give a pcap or pcapng file"};
}

}  // namespace

std::unique_ptr<Source> open_capture_file(const std::string& path, const std::atomic<bool>& stop, Problem& problem) {
  const auto descriptor = path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    problem = cannot_open(errno);
    return nullptr;
  }
  auto stream = std::make_unique<ByteStream>(descriptor, stop);
  struct stat status{};
  if (fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
    problem = {.kind = Problem::Kind::unreadable, .text = "a directory; name the files in it"};
    return nullptr;
  }
  posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
  if (!stream->fill(4)) {
    if (stream->stopped()) {
      return nullptr;  // no problem of the file's
    }
    problem = stream->error() != 0 ? cannot_open(stream->error()) : not_a_capture(*stream, path);
    return nullptr;
  }
  const auto magic = FileOrder().u32(stream->data());
  if (magic == PcapngFile::kSectionHeader) {
    return std::make_unique<PcapngFile>(std::move(stream));
  }
  if (PcapFile::recognises(magic)) {
    return std::make_unique<PcapFile>(std::move(stream));
  }
  problem = not_a_capture(*stream, path);
  return nullptr;
}

}  // namespace spanflow
