// SPDX-License-Identifier: Apache-2.0
// Protocols of the user's own, in nDPI's format.
#pragma once

#include <string>

#include "ndpi_era.hpp"

namespace spanflow::ndpi {

// Checks the file, then has nDPI read it: nDPI skips a line that it does not understand, and prints instead of
// reporting; some lines it does not survive. Empty, or one line that says what is wrong and where.
[[nodiscard]] std::string load_protocols_file(Module* module, const char* path);

}  // namespace spanflow::ndpi
