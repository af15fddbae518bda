// SPDX-License-Identifier: Apache-2.0
#include "ndpi_protocols_file.hpp"
namespace spanflow::ndpi {
std::string load_protocols_file(Module* module, const char* path) {
  return ndpi_load_protocols_file(module, path) == 0 ? "" : "cannot be read";
}
}
