// SPDX-License-Identifier: Apache-2.0
//
// Runs a command and reports what it and everything that it started cost.
//
//   measure --output FILE [--timeout SECONDS] -- COMMAND [ARGUMENT …]
//
// FILE receives one JSON object: wall, user and system seconds, peak resident octets (of the largest
// process, and summed over all), processes, exit code (128 + n after signal n), timed_out. The command keeps
// this program's stdin, stdout and stderr. Being a subreaper, this program also waits for and counts orphans;
// being small, it adds no interpreter's footprint to the peak (a child's peak begins with its parent's).
// At the timeout the command's process group is killed. SIGINT and SIGTERM are passed on to it.

#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

extern char** environ;

namespace {

// Written by main before the handlers are installed, read by them.
volatile sig_atomic_t group = 0;
volatile sig_atomic_t timed_out = 0;

void on_alarm(int) {
  timed_out = 1;
  ::kill(-group, SIGKILL);
}

void pass_on(int number) { ::kill(-group, number); }

struct Options {
  const char* output = nullptr;
  unsigned timeout_seconds = 0;
  char** command = nullptr;
};

// Returns options whose command is null when the arguments make no sense.
Options parse(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = arguments[i];
    if (word == "--") {
      options.command = i + 1 < count ? arguments + i + 1 : nullptr;
      break;
    }
    if (i + 1 >= count) break;
    if (word == "--output") {
      options.output = arguments[++i];
    } else if (word == "--timeout") {
      options.timeout_seconds = static_cast<unsigned>(std::strtoul(arguments[++i], nullptr, 10));
    } else {
      break;
    }
  }
  if (options.output == nullptr) options.command = nullptr;
  return options;
}

// Starts the command in a process group of its own; returns 0 or errno.
int start(char** command, pid_t& child) {
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  const int error = posix_spawnp(&child, command[0], nullptr, &attributes, command, environ);
  posix_spawnattr_destroy(&attributes);
  return error;
}

void handle(int number, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  sigaction(number, &action, nullptr);
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

struct Cost {
  double user = 0;
  double system = 0;
  std::int64_t peak_octets = 0;
  std::int64_t peak_octets_sum = 0;
  int processes = 0;
  int exit_code = -1;
};

// Waits for every descendant. wait4's usage covers the process and those that it waited for itself.
Cost wait_for_all(pid_t child) {
  Cost cost;
  for (;;) {
    int status = 0;
    rusage usage{};
    const pid_t ended = ::wait4(-1, &status, 0, &usage);
    if (ended < 0 && errno == EINTR) continue;
    if (ended < 0) return cost;
    cost.user += seconds(usage.ru_utime);
    cost.system += seconds(usage.ru_stime);
    const std::int64_t peak = std::int64_t{usage.ru_maxrss} * 1024;
    cost.peak_octets = std::max(cost.peak_octets, peak);
    cost.peak_octets_sum += peak;
    cost.processes += 1;
    if (ended == child) cost.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
}

}  // namespace

int main(int count, char** arguments) {
  const Options options = parse(count, arguments);
  if (options.command == nullptr) {
    std::fputs("usage: measure --output FILE [--timeout SECONDS] -- COMMAND [ARGUMENT …]\n", stderr);
    return 64;
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const auto begin = std::chrono::steady_clock::now();
  pid_t child = 0;
  if (const int error = start(options.command, child); error != 0) {
    std::fprintf(stderr, "measure: %s: %s\n", options.command[0], std::strerror(error));
    return 127;
  }
  group = child;
  handle(SIGALRM, on_alarm);
  handle(SIGINT, pass_on);
  handle(SIGTERM, pass_on);
  if (options.timeout_seconds != 0) ::alarm(options.timeout_seconds);
  const Cost cost = wait_for_all(child);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;

  std::FILE* const output = std::fopen(options.output, "w");
  if (output == nullptr) {
    std::fprintf(stderr, "measure: %s: %s\n", options.output, std::strerror(errno));
    return 73;
  }
  std::fprintf(output,
               "{\"wall\": %.6f, \"user\": %.6f, \"system\": %.6f, \"peak_octets\": %lld, "
               "\"peak_octets_sum\": %lld, \"processes\": %d, \"exit_code\": %d, \"timed_out\": %s}\n",
               wall.count(), cost.user, cost.system, static_cast<long long>(cost.peak_octets),
               static_cast<long long>(cost.peak_octets_sum), cost.processes, cost.exit_code,
               timed_out != 0 ? "true" : "false");
  return std::fclose(output) == 0 ? 0 : 74;
}
