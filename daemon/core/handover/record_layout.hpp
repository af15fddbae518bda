// SPDX-License-Identifier: Apache-2.0
// The layout of what is handed over, told at run time: Python builds its numpy types from it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "cache/flow_record.hpp"

namespace spanflow {

struct Member {
  std::string name;
  std::string format;  // as numpy writes a type; "direction" for a DirectionRecord
  std::size_t offset;
};

// Members in the order of their offsets; what is reserved is left out.
[[nodiscard]] std::vector<Member> direction_layout();
[[nodiscard]] std::vector<Member> record_layout();

}  // namespace spanflow
