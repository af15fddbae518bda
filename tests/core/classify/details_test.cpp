// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "classify/detail_store.hpp"
#include "classify/detail_text.hpp"

using namespace spanflow;
using namespace std::string_literals;

namespace {

std::string appended(std::string_view text) {
  std::vector<std::byte> target;
  append_detail(target, text);
  std::string result(reinterpret_cast<const char*>(target.data()), target.size());
  CHECK(static_cast<std::uint8_t>(result[0]) == result.size() - 1);
  return result.substr(1);
}

}  // namespace

TEST_CASE("text out of packets becomes valid UTF-8 without control characters, cut at a character") {
  const std::string bad = "\xef\xbf\xbd";
  CHECK(appended("") == "");
  CHECK(appended("example.org") == "example.org");
  CHECK(appended("b\xc3\xbc"
                 "cher \xe4\xbd\xa0 \xf0\x9f\x98\x80") ==
        "b\xc3\xbc"
        "cher \xe4\xbd\xa0 \xf0\x9f\x98\x80");
  CHECK(appended("a\x1b[31mb") == "a" + bad + "[31mb");
  CHECK(appended("a\r\nb\x7f") == "a" + bad + bad + "b" + bad);
  CHECK(appended("\xc2\x9b") == bad);                            // a C1 control character
  CHECK(appended("\xc0\x80x") == bad + bad + "x");               // overlong
  CHECK(appended("\xe0\x80\x80") == bad + bad + bad);            // overlong
  CHECK(appended("\xed\xa0\x80") == bad + bad + bad);            // a surrogate
  CHECK(appended("\xf4\x90\x80\x80") == bad + bad + bad + bad);  // beyond U+10FFFF
  CHECK(appended("x\xe4\xbd") == "x" + bad + bad);               // cut
  CHECK(appended("a\0b"s) == "a");
  CHECK(appended(std::string(300, 'a')) == std::string(254, 'a'));
  CHECK(appended(std::string(253, 'a') + "\xc3\xbc") == std::string(253, 'a'));
  CHECK(appended(std::string(300, '\xff')).size() == 252);
}

TEST_CASE("clean text has no bound, and keeps what follows a NUL") {
  CHECK(clean_text("") == "");
  CHECK(clean_text(std::string(300, 'a')) == std::string(300, 'a'));
  CHECK(clean_text("a\0b\xc3"s) ==
        "a\xef\xbf\xbd"
        "b\xef\xbf\xbd");
}

TEST_CASE("the store gives back what was put, reuses what was erased, and ends at its bound") {
  DetailStore store(64 * 100);
  std::mt19937 random(1);
  std::map<std::uint32_t, std::vector<std::byte>> kept;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> octets(1 + random() % 300, static_cast<std::byte>(random()));
    octets.back() = static_cast<std::byte>(round);
    const auto before = store.octets_in_use();
    const auto place = store.put(octets);
    if (place == DetailStore::kNone) {
      CHECK(store.octets_in_use() + octets.size() > 64UL * 94);
    } else {
      CHECK(kept.emplace(place, octets).second);
      CHECK(store.octets_in_use() == before + (octets.size() + 55) / 56 * 64);
    }
    if (place == DetailStore::kNone || random() % 2 == 0) {
      auto any = kept.begin();
      std::advance(any, static_cast<std::ptrdiff_t>(random() % kept.size()));
      std::vector<std::byte> read;
      store.append_to(read, any->first);
      CHECK(read == any->second);
      store.erase(any->first);
      kept.erase(any);
    }
    CHECK(store.octets_in_use() <= 6400);
  }
  for (const auto& [place, octets] : kept) {
    store.erase(place);
  }
  CHECK(store.octets_in_use() == 0);
}
