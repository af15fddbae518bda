// SPDX-License-Identifier: Apache-2.0
#include "classify/application_table.hpp"

#include <algorithm>
#include <set>

namespace spanflow {
namespace {

constexpr std::uint32_t kSelectors = 0xffffff;

// FNV-1a: the same for ever.
std::uint32_t hash_of(const std::string& name) noexcept {
  std::uint32_t hash = 0x811c9dc5;
  for (const char letter : name) {
    hash = (hash ^ static_cast<std::uint8_t>(letter)) * 0x01000193;
  }
  return hash ^ hash >> 23;
}

std::string text_or_empty(const char* text) { return text == nullptr ? std::string{} : std::string{text}; }

}  // namespace

ApplicationTable::ApplicationTable(const Engine& engine, std::span<const Rule> rules) {
  for (std::uint32_t number = 0; number < engine.protocols(); ++number) {
    const auto protocol = static_cast<std::uint16_t>(number);
    auto& application = applications_.emplace_back();
    application.name = text_or_empty(engine.protocol_name(protocol));
    application.category = engine.protocol_category(protocol);
    application.breed = text_or_empty(engine.protocol_breed(protocol));
    application.user_defined = number >= engine.built_in();
    application.application_id = application.name.empty() || application.user_defined ? 0 : ApplicationId::of(number);
  }
  for (const auto& rule : rules) {
    const auto known = std::ranges::find(applications_, rule.name, &Application::name);
    of_rules_.push_back(static_cast<std::uint16_t>(known - applications_.begin()));
    if (known == applications_.end()) {
      auto& application = applications_.emplace_back();
      application.name = rule.name;
      application.user_defined = true;
    }
  }
  number_user_defined();
  for (const auto& application : applications_) {
    ids_.push_back(application.application_id != 0 ? application.application_id : ApplicationId::of(0));
  }
}

void ApplicationTable::number_user_defined() {
  std::vector<Application*> own;
  for (auto& application : applications_) {
    if (application.user_defined && !application.name.empty()) {
      own.push_back(&application);
    }
  }
  // In one fixed order, so that two names of one hash always get the same two numbers.
  std::ranges::sort(own, {}, [](const Application* application) { return application->name; });
  std::set<std::uint32_t> taken;
  for (auto* application : own) {
    auto selector = (hash_of(application->name) & kSelectors) | ApplicationId::user_defined;
    while (!taken.insert(selector).second) {
      selector = ((selector + 1) & kSelectors) | ApplicationId::user_defined;
    }
    application->application_id = ApplicationId::of(selector);
  }
}

}  // namespace spanflow
