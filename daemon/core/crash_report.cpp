// SPDX-License-Identifier: Apache-2.0
#include "crash_report.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

namespace spanflow {

constinit thread_local bool EngineAtWork::at_work = false;

namespace {

// Nothing here may allocate or lock: the thread has died in the middle of whatever it did.
class Line {
 public:
  Line& operator<<(const char* text) noexcept {
    for (; *text != '\0' && length_ < text_.size(); ++text) {
      text_[length_++] = *text;
    }
    return *this;
  }
  void write_to(int descriptor) const noexcept { (void)!write(descriptor, text_.data(), length_); }

 private:
  std::array<char, 512> text_{};
  std::size_t length_ = 0;
};

const char* name_of(int number) noexcept {
  switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    default: return "SIGABRT";
  }
}

// The disposition is the default one again: what caused the signal does so once more, and the process dies of it.
void report(int number) noexcept {
  std::array<char, 17> thread{};
  prctl(PR_GET_NAME, thread.data());
  Line line;
  line << "spanflow: crashed: " << name_of(number) << " in thread '" << thread.data() << "'";
  if (EngineAtWork::at_work) {
    line << ", in the classification engine; dpi.enabled: false runs without it";
  }
  line << "; please report it, with the capture if you can\n";
  line.write_to(STDERR_FILENO);
  std::raise(number);  // taken when this returns, if the cause does not come first
}

}  // namespace

void install_crash_report() noexcept {
  struct sigaction action{};
  action.sa_handler = report;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    sigaction(number, &action, nullptr);
  }
}

}  // namespace spanflow
