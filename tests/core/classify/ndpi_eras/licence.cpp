// SPDX-License-Identifier: Apache-2.0
// Compiles against nDPI 6.0 only when whoever builds has said under which terms nDPI is used.
#include "ndpi_era.hpp"
