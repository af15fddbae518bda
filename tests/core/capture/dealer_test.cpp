// SPDX-License-Identifier: Apache-2.0
#include "capture/dealer.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <future>
#include <string>
#include <thread>

#include "capture/fanout.hpp"
#include "octets.hpp"

using namespace spanflow;
using spanflow::test::hex;
using spanflow::test::Octets;
using spanflow::test::operator+;

namespace {

constexpr std::uint32_t kFrames = 60'000;  // several buffers, and more than may wait for a worker

// Of a capture of raw IP packets. Each is the next in time but every eighth, and holds its number twice: as its
// address, which decides who gets it, and in its last octets. The last record is cut.
Octets capture_octets(std::uint32_t frames, bool for_one_worker) {
  auto octets = hex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 65000000");
  for (std::uint32_t number = 0; number < frames; ++number) {
    auto record = hex("00000000 00000000 40000000 40000000") + hex("45000040 00000000 40110000 0a000000 0a000000");
    record.resize(16 + 64);
    const auto address = for_one_worker ? 0 : number;
    const auto seconds = number % 8 == 7 ? number - 3 : number;
    std::memcpy(record.data(), &seconds, sizeof seconds);
    std::memcpy(record.data() + 16 + 12, &address, sizeof address);
    std::memcpy(record.data() + 16 + 60, &number, sizeof number);
    octets.insert(octets.end(), record.begin(), record.end());
  }
  octets.resize(octets.size() - 3);
  return octets;
}

class Capture {
 public:
  explicit Capture(bool for_one_worker) : file_(std::tmpfile()) {
    const auto octets = capture_octets(kFrames, for_one_worker);
    REQUIRE(std::fwrite(octets.data(), 1, octets.size(), file_.get()) == octets.size());
    REQUIRE(std::fflush(file_.get()) == 0);
  }

  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fileno(file_.get())); }

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
};

std::uint32_t number_in(const Frame& frame) {
  std::uint32_t number = 0;
  std::memcpy(&number, frame.data + 60, sizeof number);
  return number;
}

struct Taken {
  std::uint32_t frames = 0;
  bool in_order = true;
  bool own = true;
  bool clock_is_that_of_all = true;
};

// What a worker gets, looked at while the others read on.
Taken take_all(Dealer& dealer, std::uint32_t worker, std::uint32_t workers) {
  Taken taken;
  std::int64_t last = -1;
  for (auto frames = dealer.next(worker); !frames.empty(); frames = dealer.next(worker)) {
    for (const auto& frame : frames) {
      const auto number = number_in(frame);
      const auto highest = number % 8 == 7 ? number - 1 : number;
      taken.frames += 1;
      taken.in_order = taken.in_order && number > last;
      taken.own = taken.own && worker_of(frame, workers) == worker;
      taken.clock_is_that_of_all = taken.clock_is_that_of_all && frame.clock_ns == highest * 1'000'000'000LL;
      last = number;
    }
  }
  dealer.leave(worker);
  return taken;
}

}  // namespace

TEST_CASE("each frame goes to its worker once and in order, with the clock of all; problems are told once") {
  for (const auto for_one_worker : {false, true}) {
    for (const std::uint32_t workers : {1U, 2U, 5U}) {
      CAPTURE(for_one_worker);
      CAPTURE(workers);
      const Capture capture(for_one_worker);
      const std::atomic<bool> stop = false;
      Input input({capture.path()}, stop);
      Dealer dealer(input, workers, stop);
      std::vector<Taken> taken(workers);
      std::vector<std::thread> threads;
      for (std::uint32_t worker = 0; worker < workers; ++worker) {
        threads.emplace_back([&, worker] { taken[worker] = take_all(dealer, worker, workers); });
      }
      std::uint32_t frames = 0;
      for (std::uint32_t worker = 0; worker < workers; ++worker) {
        threads[worker].join();
        frames += taken[worker].frames;
        CHECK(taken[worker].in_order);
        CHECK(taken[worker].own);
        CHECK(taken[worker].clock_is_that_of_all);
      }
      CHECK(frames == kFrames - 1);  // the last one is cut
      CHECK(input.problems().size() == 1);
      CHECK(input.clock_ns() == (kFrames - 2) * 1'000'000'000LL);
    }
  }
}

TEST_CASE("a worker that has left holds up nobody") {
  const Capture capture(false);
  const std::atomic<bool> stop = false;
  Input input({capture.path()}, stop);
  Dealer dealer(input, 2, stop);
  dealer.leave(1);
  CHECK(take_all(dealer, 0, 2).frames == kFrames / 2);
}

TEST_CASE("stopped, the input ends; what was dealt is still taken") {
  const Capture capture(false);
  std::atomic<bool> stop = false;
  Input input({capture.path()}, stop);
  Dealer dealer(input, 2, stop);
  REQUIRE_FALSE(dealer.next(0).empty());
  stop = true;
  CHECK(take_all(dealer, 0, 2).frames < kFrames / 2);
  CHECK(take_all(dealer, 1, 2).frames > 0);
  CHECK(input.problems().empty());
}

TEST_CASE("a reader that waits for a pipe can be stopped, and lets the others go") {
  std::array<int, 2> pipe_ends{};
  REQUIRE(pipe(pipe_ends.data()) == 0);
  std::atomic<bool> stop = false;
  Input input({"/proc/self/fd/" + std::to_string(pipe_ends[0])}, stop);
  Dealer dealer(input, 2, stop);
  std::array<std::thread, 2> threads;
  for (std::uint32_t worker = 0; worker < 2; ++worker) {
    threads[worker] = std::thread([&dealer, worker] { CHECK(dealer.next(worker).empty()); });
  }
  stop = true;
  for (auto& thread : threads) {
    thread.join();
  }
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

TEST_CASE("frames that are there do not wait for a pipe on which nothing comes") {
  std::array<int, 2> pipe_ends{};
  REQUIRE(pipe(pipe_ends.data()) == 0);
  const auto octets = capture_octets(100, false);
  REQUIRE(write(pipe_ends[1], octets.data(), octets.size()) == static_cast<ssize_t>(octets.size()));
  std::atomic<bool> stop = false;
  Input input({"/proc/self/fd/" + std::to_string(pipe_ends[0])}, stop);
  Dealer dealer(input, 2, stop);
  std::promise<void> taken;
  std::thread impatient([&stop, done = taken.get_future()] {
    stop = done.wait_for(std::chrono::seconds(5)) == std::future_status::timeout;
  });
  CHECK_FALSE(dealer.next(0).empty());
  CHECK_FALSE(dealer.next(1).empty());
  CHECK_FALSE(stop);
  taken.set_value();
  impatient.join();
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}
