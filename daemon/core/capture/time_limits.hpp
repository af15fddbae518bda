// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace spanflow {

// Time stamps lie in [0, 2^62) ns, the year 2116: a deadline after one never overflows.
inline constexpr std::int64_t kLatestTimeNs = (std::int64_t{1} << 62) - 1;

}  // namespace spanflow
