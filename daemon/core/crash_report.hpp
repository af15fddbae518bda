// SPDX-License-Identifier: Apache-2.0
// Last words: who died, of what, and whether a classification engine was at work. The process dies all the same.
#pragma once

namespace spanflow {

// For the whole process, once, before threads are started.
void install_crash_report() noexcept;

// While it lives, a crash of this thread is laid to the engine's account.
class EngineAtWork {
 public:
  EngineAtWork() noexcept { at_work = true; }
  ~EngineAtWork() { at_work = false; }
  EngineAtWork(const EngineAtWork&) = delete;
  EngineAtWork& operator=(const EngineAtWork&) = delete;

  // Storage that is there, and initialised, from the start of a thread: a signal handler reads it.
  [[gnu::tls_model("initial-exec")]] static constinit thread_local bool at_work;
};

}  // namespace spanflow
