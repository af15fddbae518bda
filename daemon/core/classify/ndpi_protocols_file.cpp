// SPDX-License-Identifier: Apache-2.0
#include "ndpi_protocols_file.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

namespace spanflow::ndpi {
namespace {

using namespace std::string_literals;

struct Pair {
  std::string_view left;
  std::string_view right;
};

std::optional<Pair> split(std::string_view text, char separator) {
  const std::size_t place = text.find(separator);
  if (place == std::string_view::npos) return std::nullopt;
  return Pair{text.substr(0, place), text.substr(place + 1)};
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_number_in(std::string_view text, std::uint64_t low, std::uint64_t high) {
  const auto value = number(text);
  return value && *value >= low && *value <= high;
}

bool is_port(std::string_view text) { return is_number_in(text, 1, 65535); }

// 80 or 8000-8010.
bool is_ports(std::string_view text) {
  const auto range = split(text, '-');
  if (!range) return is_port(text);
  const auto low = number(range->left);
  return low && *low >= 1 && is_number_in(range->right, *low, 65535);
}

// 192.0.2.0[/24][:443]
bool is_network(std::string_view text) {
  if (const auto with_port = split(text, ':')) {
    if (!is_port(with_port->right)) return false;
    text = with_port->left;
  }
  if (const auto with_length = split(text, '/')) {
    if (!is_number_in(with_length->right, 0, 32)) return false;
    text = with_length->left;
  }
  in_addr address{};
  return inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

// nDPI strips one quote and one dot in front, one quote at the end, and does not survive that nothing is left.
bool is_host(std::string_view text) {
  if (text.starts_with('"')) text.remove_prefix(1);
  if (text.starts_with('.')) text.remove_prefix(1);
  if (text.ends_with('"')) text.remove_suffix(1);
  return !text.empty() && text.find_first_of("\" \t") == std::string_view::npos;
}

bool is_kind(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '_';
  });
}

std::string quoted(std::string_view text) { return "'" + std::string(text.substr(0, 60)) + "'"; }

// One of the parts in front of the '@'. Empty, or what is wrong.
std::string fault_of_part(std::string_view part, bool strict) {
  const auto rule = split(part, ':');
  if (!rule || !is_kind(rule->left))
    return quoted(part) + " is no rule, write such as tcp:8080 or host:\"example.org\"";
  const auto& [kind, value] = *rule;
  if (kind == "tcp" || kind == "udp") {
    return is_ports(value) ? ""s : quoted(part) + " has no port or range of ports, 1-65535";
  }
  if (kind == "host") return is_host(value) ? ""s : quoted(part) + " has no host name";
  if (kind == "ip" && strict) {
    return is_network(value) ? ""s : quoted(part) + " has no IPv4 address, write such as ip:192.0.2.0/24:443";
  }
  if (strict) return quoted(kind) + " is not known to this nDPI, use tcp, udp, ip or host";
  return value.empty() ? quoted(part) + " has no value" : ""s;
}

// A line without '@' names no protocol. Empty, or what is wrong.
std::string fault_of_mask(std::string_view line, bool strict) {
  const auto rule = split(line, ':');
  if (!rule || !is_kind(rule->left) || rule->right.empty()) return "no '@' and name of a protocol in it";
  const auto& [kind, value] = *rule;
  if (kind == "trusted_issuer_dn") return "";
  if (kind == "ip_risk_mask" || kind == "host_risk_mask") {
    const auto mask = split(value, '=');
    return mask && !mask->left.empty() && number(mask->right) ? ""s : quoted(line) + " has no '=' and mask, a number";
  }
  return strict ? "no '@' and name of a protocol in it" : "";
}

// A name as nDPI keeps it.
std::string kept_name(std::string_view name) {
  std::string kept(name);
  std::ranges::replace_if(kept, [](char letter) { return std::strchr("/&^:;'\" ", letter) != nullptr; }, '_');
  return kept;
}

}  // namespace

std::string ProtocolsFile::fault(std::size_t line, std::string_view reason) const {
  return path_ + ':' + std::to_string(line) + ": " + std::string(reason);
}

std::string ProtocolsFile::read(const char* path, bool strict) {
  path_ = path;
  names_.clear();
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "re"), std::fclose);
  if (file == nullptr) return path_ + ": " + std::strerror(errno);
  std::string text;
  std::array<char, 4096> block{};
  while (std::feof(file.get()) == 0) {
    const std::size_t octets = std::fread(block.data(), 1, block.size(), file.get());
    if (std::ferror(file.get()) != 0) return path_ + ": " + std::strerror(errno);
    text.append(block.data(), octets);
  }

  std::size_t line_number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    ++line_number;
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return fault(line_number, "no line feed at its end, nDPI would pass over it");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (line.find_first_of(std::string_view("\0\r", 2)) != std::string_view::npos) {
      return fault(line_number, "a carriage return or a NUL in it");
    }
    if (line.empty() || line.front() == '#') continue;

    const std::size_t at = line.rfind('@');
    if (at == std::string_view::npos) {
      if (const std::string reason = fault_of_mask(line, strict); !reason.empty()) return fault(line_number, reason);
      continue;
    }
    // Later versions take a number behind the name: name=1024.
    const std::string_view named = line.substr(at + 1);
    const std::string_view name = named.substr(0, named.find('='));
    if (name.empty()) return fault(line_number, "no name of a protocol behind the '@'");
    if (name.size() != named.size() && (strict || !number(named.substr(name.size() + 1)))) {
      return fault(line_number, quoted(named) + " is not the name of a protocol");
    }
    for (std::string_view parts = line.substr(0, at);;) {
      const std::size_t comma = parts.find(',');
      if (const std::string reason = fault_of_part(parts.substr(0, comma), strict); !reason.empty()) {
        return fault(line_number, reason);
      }
      if (comma == std::string_view::npos) break;
      parts.remove_prefix(comma + 1);
    }
    names_.push_back({line_number, kept_name(name)});
  }
  return "";
}

}  // namespace spanflow::ndpi
