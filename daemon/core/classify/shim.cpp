// SPDX-License-Identifier: Apache-2.0
#include "classify/shim.hpp"

#include <dlfcn.h>

#include <array>
#include <stdexcept>

#include "classify/detail_text.hpp"

namespace spanflow {
namespace {

std::string last_loader_error() {
  const char* text = dlerror();
  return text == nullptr ? "unknown error" : text;
}

// A shim stays loaded for the life of the process: its engine may have handed out pointers into it.
const spanflow_classifier* load(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    throw std::runtime_error(last_loader_error());
  }
  const auto* shim = static_cast<const spanflow_classifier*>(dlsym(handle, SPANFLOW_CLASSIFIER_SYMBOL));
  if (shim == nullptr) {
    throw std::runtime_error(path + ": is not a classification engine of spanflow");
  }
  if (shim->abi != SPANFLOW_CLASSIFIER_ABI) {
    throw std::runtime_error(path + ": was built for another version of spanflow (interface " +
                             std::to_string(shim->abi) + ", expected " + std::to_string(SPANFLOW_CLASSIFIER_ABI) + ")");
  }
  return shim;
}

}  // namespace

Engine::Engine(const std::string& shim, const std::string& protocols_file)
    : shim_(load(shim)), engine_(nullptr, shim_->close) {
  const spanflow_engine_options options{.protocols_file = protocols_file.empty() ? nullptr : protocols_file.c_str()};
  std::array<char, 512> error{};
  engine_.reset(shim_->open(&options, error.data(), error.size()));
  if (engine_ == nullptr) {
    error.back() = '\0';
    throw std::runtime_error(clean_text(error.data()));  // it may quote a file, and be cut
  }
  protocols_ = shim_->protocols(engine_.get(), &built_in_);
}

}  // namespace spanflow
