// SPDX-License-Identifier: Apache-2.0
// The numbers of applications: dense ones for counting, and the applicationId that collectors see.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "classify/rules.hpp"
#include "classify/shim.hpp"

namespace spanflow {

// applicationId (95, RFC 6759): the classification engine in the highest octet, then its selector.
struct ApplicationId {
  static constexpr std::uint32_t ndpi_engine = 22;
  static constexpr std::uint32_t user_defined = 0x800000;  // selectors from here on belong to names of the user's own

  static constexpr std::uint32_t of(std::uint32_t selector) noexcept { return ndpi_engine << 24 | selector; }
};

struct Application {
  std::uint32_t application_id = 0;
  std::string name;
  std::uint16_t category = 0;
  std::string breed;
  bool user_defined = false;
};

// Applications have the numbers of the engine's protocols; behind them come the names of rules that it does not know.
// The selector of a user-defined name is made of the name, so it is the same after a restart, in whatever order the
// names are configured. Owner: who made it.
class ApplicationTable {
 public:
  ApplicationTable(const Engine& engine, std::span<const Rule> rules);

  // A number without a name has an application_id of 0.
  [[nodiscard]] const std::vector<Application>& applications() const noexcept { return applications_; }
  [[nodiscard]] std::uint32_t application_id(std::uint16_t application) const noexcept {
    return application < ids_.size() ? ids_[application] : ids_[0];
  }
  [[nodiscard]] std::uint16_t application_of_rule(std::size_t rule) const noexcept { return of_rules_[rule]; }

 private:
  void number_user_defined();

  std::vector<Application> applications_;
  std::vector<std::uint32_t> ids_;
  std::vector<std::uint16_t> of_rules_;
};

}  // namespace spanflow
