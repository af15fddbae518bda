// SPDX-License-Identifier: Apache-2.0
#include "capture/input.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <string>

#include "octets.hpp"

using namespace spanflow;
using spanflow::test::hex;
using spanflow::test::Octets;
using spanflow::test::operator+;

namespace {

// A file that has no name but in /proc.
class MemoryFile {
 public:
  explicit MemoryFile(const Octets& octets) : descriptor_(memfd_create("capture", 0)) {
    REQUIRE(write(descriptor_, octets.data(), octets.size()) == static_cast<ssize_t>(octets.size()));
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

struct Read {
  std::vector<Frame> frames;  // `data` is void
  std::vector<FileProblem> problems;
};

Read read(const std::vector<Octets>& files) {
  std::vector<std::unique_ptr<MemoryFile>> opened;
  std::vector<std::string> paths;
  for (const auto& octets : files) {
    paths.push_back(opened.emplace_back(std::make_unique<MemoryFile>(octets))->path());
  }
  const std::atomic<bool> stop = false;
  Input input(paths, stop);
  Read result;
  std::array<Frame, 4> frames;
  while (const auto count = input.next(frames)) {
    result.frames.insert(result.frames.end(), frames.begin(), frames.begin() + static_cast<std::ptrdiff_t>(count));
  }
  result.problems = input.problems();
  return result;
}

const Octets kHeader = hex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000");
const Octets kRecord = hex("0a000000 05000000 04000000 3c000000 deadbeef");

const Octets kSection = hex("0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000");
// Interface 0: Ethernet, nanoseconds, 100 s later than its ticks say.
const Octets kInterface =
    hex("01000000 28000000 0100 0000 00000000 0900 0100 09000000 0e00 0800 6400000000000000 28000000");
const Octets kEnhanced = hex("06000000 24000000 00000000 00000000 05000000 04000000 3c000000 deadbeef 24000000");
const Octets kSimple = hex("03000000 14000000 3c000000 deadbeef 14000000");

}  // namespace

TEST_CASE("pcap: microseconds, nanoseconds, either byte order") {
  const auto little = read({kHeader + kRecord});
  REQUIRE(little.frames.size() == 1);
  CHECK(little.frames[0].time_ns == 10'000'005'000);
  CHECK(little.frames[0].captured_octets == 4);
  CHECK(little.frames[0].wire_octets == 60);
  CHECK(little.problems.empty());

  const auto nanoseconds = read({hex("4d3cb2a1 0200 0400 00000000 00000000 ffff0000 01000000") + kRecord});
  CHECK(nanoseconds.frames.at(0).time_ns == 10'000'000'005);

  const auto big =
      read({hex("a1b2c3d4 0002 0004 00000000 00000000 0000ffff 00000071 "
                "0000000a 00000005 00000004 0000003c deadbeef")});
  REQUIRE(big.frames.size() == 1);
  CHECK(big.frames[0].time_ns == 10'000'005'000);
  CHECK(big.frames[0].link_type == 113);
}

TEST_CASE("pcapng: resolution and offset of the interface; a simple packet has the time before it") {
  const auto result = read({kSection + kInterface + kSimple + kEnhanced + kSimple});
  REQUIRE(result.frames.size() == 3);
  CHECK(result.problems.empty());
  CHECK(result.frames[0].time_ns == 0);
  CHECK(result.frames[1].time_ns == 100'000'000'005);
  CHECK(result.frames[2].time_ns == 100'000'000'005);
  CHECK(result.frames[2].captured_octets == 4);
  CHECK(result.frames[2].wire_octets == 60);
}

TEST_CASE("the clock is the highest time stamp of all files so far") {
  const auto earlier = hex("01000000 00000000 04000000 3c000000 deadbeef");
  const auto result = read({kHeader + kRecord + earlier, kHeader + earlier});
  REQUIRE(result.frames.size() == 3);
  for (const auto& frame : result.frames) {
    CHECK(frame.clock_ns == 10'000'005'000);
  }
}

TEST_CASE("a file that is cut gives what came before, and its problem; the next file is read") {
  auto cut = kHeader + kRecord + kRecord;
  cut.resize(cut.size() - 3);
  const auto result = read({cut, kHeader + kRecord});
  CHECK(result.frames.size() == 2);
  REQUIRE(result.problems.size() == 1);
  CHECK(result.problems[0].problem.kind == Problem::Kind::damaged);
}

TEST_CASE("what is no capture is said to be none") {
  using Kind = Problem::Kind;
  const std::vector<std::pair<Octets, Kind>> rows = {
      {{}, Kind::not_a_capture},
      {hex("7f"), Kind::not_a_capture},
      {hex("7f454c46 00000000"), Kind::not_a_capture},
      {hex("1f8b0800 00000000"), Kind::not_a_capture},
      {hex("d4c3b2a1 0200"), Kind::damaged},
      {hex("0a0d0d0a 1c000000 4d3c2b1a 0200 0000 ffffffffffffffff 1c000000"), Kind::damaged},
      {hex("0a0d0d0a ffffffff 4d3c2b1a"), Kind::damaged},
      {kSection + kEnhanced, Kind::damaged},
      {kHeader + hex("0a000000 05000000 ffffff7f 3c000000"), Kind::damaged},
  };
  for (const auto& row : rows) {
    const auto& octets = row.first;
    CAPTURE(octets.size());
    const auto result = read({octets});
    CHECK(result.frames.empty());
    REQUIRE(result.problems.size() == 1);
    CHECK(result.problems[0].problem.kind == row.second);
    CHECK_FALSE(result.problems[0].problem.text.empty());
  }
}

TEST_CASE("files that are not there") {
  Problem problem;
  const std::atomic<bool> stop = false;
  CHECK(open_capture_file("/nonexistent/file.pcap", stop, problem) == nullptr);
  CHECK(problem.kind == Problem::Kind::not_found);
  CHECK(open_capture_file("/proc", stop, problem) == nullptr);
  CHECK(problem.kind == Problem::Kind::unreadable);
}
