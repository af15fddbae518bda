// SPDX-License-Identifier: Apache-2.0
// The parts of the Python module: each puts what it offers into it.
#pragma once

#include <nanobind/nanobind.h>

namespace spanflow {

// Rows as text: bindings_text.cpp.
void bind_text(nanobind::module_& module);

}  // namespace spanflow
