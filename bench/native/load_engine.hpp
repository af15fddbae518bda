// SPDX-License-Identifier: Apache-2.0
// The table of functions of a classification engine.
#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

#include "classify/classifier.h"

namespace bench {

[[noreturn]] inline void fail(const char* what, const char* why) {
  std::fprintf(stderr, "%s: %s\n", what, why);
  std::exit(69);
}

inline const spanflow_classifier& load_engine(const char* path) {
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    fail(path, dlerror());
  }
  const auto* engine = static_cast<const spanflow_classifier*>(dlsym(handle, SPANFLOW_CLASSIFIER_SYMBOL));
  if (engine == nullptr || engine->abi != SPANFLOW_CLASSIFIER_ABI) {
    fail(path, "is no classification engine of this version of spanflow");
  }
  return *engine;
}

}  // namespace bench
