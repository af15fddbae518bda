// SPDX-License-Identifier: Apache-2.0
// Frames into a worker that classifies, each at the end of readable memory; and a look at all that comes out.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "classify/guarded_octets.hpp"
#include "metering_process.hpp"

namespace spanflow::test {

class EngineReplay {
 public:
  // Few Flows under detection and little memory: their bounds are reached too.
  explicit EngineReplay(const std::string& engine);

  // One frame, cut to `captured` octets, whose length in the IP header is then made true: the engine gets it in place.
  void put(const Frame& frame, std::uint32_t captured);

  // All Flows leave. Empty, or what is wrong with the records or the sums.
  [[nodiscard]] std::string finish();

  [[nodiscard]] static MeteringOptions options(const std::string& engine);

 private:
  void take_records();

  static constexpr std::size_t kLongestFrame = std::size_t{1} << 18;

  std::shared_ptr<BatchPool> pool_ = std::make_shared<BatchPool>();
  BatchQueue queue_{std::size_t{1} << 26, 1};
  MeteringProcess process_;
  GuardedOctets octets_{kLongestFrame};
  std::int64_t clock_ns_ = 0;
  std::string fault_;
};

}  // namespace spanflow::test
