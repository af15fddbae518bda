// SPDX-License-Identifier: Apache-2.0
// Protocols of the user's own, in nDPI's format.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace spanflow::ndpi {

// nDPI passes over a line that it does not understand, prints where it should report, and does not survive some
// lines. So the file is judged here, before nDPI sees it, and what became of it is looked up afterwards.
class ProtocolsFile {
 public:
  // Empty, or one line that says what is wrong and where. `strict`: only what nDPI 4.2 takes; later versions learn new
  // kinds of rules with each release, of which only the shape is judged.
  [[nodiscard]] std::string read(const char* path, bool strict);

  struct Name {
    std::size_t line;
    std::string name;  // as nDPI keeps it
  };
  [[nodiscard]] const std::vector<Name>& names() const { return names_; }

  [[nodiscard]] std::string fault(std::size_t line, std::string_view reason) const;

 private:
  std::string path_;
  std::vector<Name> names_;
};

}  // namespace spanflow::ndpi
