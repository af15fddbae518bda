// SPDX-License-Identifier: Apache-2.0
#include "text/row_writer.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include "text/address_text.hpp"

using namespace spanflow;

namespace {

template <typename Value>
Numbers numbers_of(const std::vector<Value>& values, NumberType type) {
  return {.data = reinterpret_cast<const std::byte*>(values.data()),
          .row_stride = sizeof(Value),
          .item_stride = sizeof(Value),
          .type = type};
}

std::string rows_of(const RowWriter& writer, std::size_t rows, const std::vector<Column>& columns) {
  std::string out;
  writer.write(rows, columns, out);
  return out;
}

}  // namespace

TEST_CASE("every kind of column, as CSV and as JSON") {
  const std::vector<std::int16_t> integers = {-3, 7};
  const std::vector<std::uint64_t> large = {std::numeric_limits<std::uint64_t>::max(), 0};
  const std::vector<double> floats = {0.1, std::numeric_limits<double>::quiet_NaN()};
  const std::vector<std::int64_t> times = {-1, 12'500'000'000};
  const std::vector<std::uint8_t> flags = {1, 0};
  const std::vector<std::array<std::uint8_t, 16>> addresses = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1},
                                                               {0x20, 0x01, 0x0d, 0xb8}};
  const std::vector<std::uint8_t> versions = {4, 6};
  const std::vector<std::array<std::uint8_t, 6>> macs = {{0, 1, 2, 0xaa, 0xbb, 0xff}, {}};
  const std::vector<std::uint16_t> codes = {1, 2};
  const std::vector<std::uint32_t> lists = {1, 2, 3, 4};
  const std::vector<std::int64_t> counts = {2, -1};
  auto pairs = numbers_of(lists, NumberType::u4);
  pairs.row_stride = 2 * sizeof(std::uint32_t);
  pairs.width = 2;
  const std::vector<Column> columns = {
      {.numbers = numbers_of(integers, NumberType::i2)},
      {.numbers = numbers_of(large, NumberType::u8), .beside = numbers_of(flags, NumberType::u1)},
      {.numbers = numbers_of(floats, NumberType::f8)},
      {.numbers = numbers_of(times, NumberType::i8)},
      {.numbers = numbers_of(flags, NumberType::u1)},
      {.numbers = numbers_of(addresses, NumberType::u1), .beside = numbers_of(versions, NumberType::u1)},
      {.numbers = numbers_of(macs, NumberType::u1)},
      {.numbers = numbers_of(large, NumberType::u8)},
      {.numbers = numbers_of(codes, NumberType::u2), .texts = {"none", "a,b"}},
      {.texts = {"say \"x\"\n", std::nullopt}},
      {.numbers = pairs, .beside = numbers_of(counts, NumberType::i8)}};
  std::vector<RowWriter::Field> fields;
  for (const auto kind : {ColumnKind::integer, ColumnKind::null_integer, ColumnKind::floating, ColumnKind::seconds,
                          ColumnKind::boolean, ColumnKind::address, ColumnKind::mac, ColumnKind::hexadecimal,
                          ColumnKind::choice, ColumnKind::text, ColumnKind::integers}) {
    fields.push_back({.name = std::string(1, static_cast<char>('a' + fields.size())), .kind = kind});
  }
  const RowWriter csv(fields, false);
  CHECK(csv.header() == "a,b,c,d,e,f,g,h,i,j,k\n");
  CHECK(rows_of(csv, 2, columns) ==
        "-3,18446744073709551615,0.1,-0.000000001,true,192.0.2.1,00:01:02:aa:bb:ff,ffffffffffffffff,\"a,b\","
        "\"say \"\"x\"\"\n\",1 2\n"
        "7,,,12.5,false,2001:db8::,00:00:00:00:00:00,0000000000000000,,,\n");
  const RowWriter json(fields, true);
  CHECK(json.header().empty());
  CHECK(rows_of(json, 2, columns) ==
        R"({"a":-3,"b":18446744073709551615,"c":0.1,"d":-0.000000001,"e":true,"f":"192.0.2.1",)"
        R"("g":"00:01:02:aa:bb:ff","h":"ffffffffffffffff","i":"a,b","j":"say \"x\"\n","k":[1,2]})"
        "\n"
        R"({"a":7,"b":null,"c":null,"d":12.5,"e":false,"f":"2001:db8::","g":"00:00:00:00:00:00",)"
        R"("h":"0000000000000000","i":null,"j":null,"k":[]})"
        "\n");
}

TEST_CASE("a row of one column without a value is no empty line, and names are escaped") {
  const Column column{.texts = {std::nullopt}};
  const RowWriter csv({{.name = "a\"b", .kind = ColumnKind::text}}, false);
  CHECK(csv.header() == "\"a\"\"b\"\n");
  CHECK(rows_of(csv, 1, {column}) == "\"\"\n");
  const RowWriter json({{.name = "a\"b", .kind = ColumnKind::text}}, true);
  CHECK(rows_of(json, 1, {column}) == "{\"a\\\"b\":null}\n");
  CHECK(rows_of(json, 0, {column}).empty());
}

TEST_CASE("addresses are what inet_ntop makes of them") {
  std::mt19937 random(1);
  std::array<char, kLongestAddress> text;
  std::array<char, INET6_ADDRSTRLEN> expected;
  for (int step = 0; step < 20'000; ++step) {
    std::array<std::uint8_t, 16> octets{};
    for (std::size_t group = 0; group < 8; ++group) {
      const auto kind = random() % 4;  // many groups are 0
      const auto value = kind == 0 ? random() % 0x10000 : kind == 1 && group == 5 ? 0xffff : 0;
      octets[2 * group] = static_cast<std::uint8_t>(value >> 8);
      octets[2 * group + 1] = static_cast<std::uint8_t>(value);
    }
    REQUIRE(inet_ntop(AF_INET6, octets.data(), expected.data(), expected.size()) != nullptr);
    REQUIRE(std::string(text.data(), write_address(text.data(), octets, 6)) == expected.data());
    REQUIRE(inet_ntop(AF_INET, &octets[12], expected.data(), expected.size()) != nullptr);
    REQUIRE(std::string(text.data(), write_address(text.data(), octets, 4)) == expected.data());
  }
  CHECK(write_address(text.data(), {}, 0) == text.data());
}
