// SPDX-License-Identifier: Apache-2.0
#include "text/row_writer.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "text/address_text.hpp"

namespace spanflow {
namespace {

constexpr std::size_t kLongestNumber = 32;  // a double in exponent form has 24 characters, a time 21
constexpr std::size_t kUsualCell = 16;      // what is reserved for a cell

template <typename Value>
Value load(const std::byte* at) noexcept {
  Value value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

const std::byte* row_of(const Numbers& numbers, std::size_t row) noexcept {
  return numbers.data + static_cast<std::ptrdiff_t>(row) * numbers.row_stride;
}

// Every integer type but the largest fits.
std::int64_t load_signed(const std::byte* at, NumberType type) noexcept {
  switch (type) {
    case NumberType::i1: return load<std::int8_t>(at);
    case NumberType::i2: return load<std::int16_t>(at);
    case NumberType::i4: return load<std::int32_t>(at);
    case NumberType::u1: return load<std::uint8_t>(at);
    case NumberType::u2: return load<std::uint16_t>(at);
    case NumberType::u4: return load<std::uint32_t>(at);
    case NumberType::i8:
    case NumberType::u8:
    case NumberType::f8: break;
  }
  return load<std::int64_t>(at);
}

char* write_integer(char* to, const std::byte* at, NumberType type) noexcept {
  char* const end = to + kLongestNumber;
  return type == NumberType::u8 ? std::to_chars(to, end, load<std::uint64_t>(at)).ptr
                                : std::to_chars(to, end, load_signed(at, type)).ptr;
}

// As Python writes it: a point always tells it from an integer, an exponent only where it is far from 1.
char* write_float(char* to, double value) noexcept {
  const auto magnitude = std::abs(value);
  const auto fixed = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  char* const begin = to;
  to = std::to_chars(to, to + kLongestNumber, value, fixed ? std::chars_format::fixed : std::chars_format::scientific)
           .ptr;
  if (fixed && std::find(begin, to, '.') == to) {
    *to++ = '.';
    *to++ = '0';
  }
  return to;
}

char* write_seconds(char* to, std::int64_t time_ns) noexcept {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  auto magnitude = static_cast<std::uint64_t>(time_ns);
  if (time_ns < 0) {
    *to++ = '-';
    magnitude = 0 - magnitude;
  }
  to = std::to_chars(to, to + kLongestNumber, magnitude / kSecond).ptr;
  *to++ = '.';
  auto fraction = magnitude % kSecond;
  for (auto digit = kSecond / 10; digit > 0; digit /= 10) {
    *to++ = static_cast<char>('0' + fraction / digit);
    fraction %= digit;
    if (fraction == 0) {
      break;
    }
  }
  return to;
}

char* write_hexadecimal(char* to, std::uint64_t value) noexcept {
  constexpr auto kDigits = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) {
    *to++ = kDigits[value >> shift & 0x0f];
  }
  return to;
}

// ---- texts ----

bool needs_quotes(std::string_view text) noexcept { return text.find_first_of(",\"\r\n") != std::string_view::npos; }

void append_csv(std::string& out, std::string_view text) {
  if (!needs_quotes(text)) {
    out += text;
    return;
  }
  out += '"';
  for (const auto character : text) {
    if (character == '"') {
      out += '"';
    }
    out += character;
  }
  out += '"';
}

void append_json_unit(std::string& out, std::uint32_t unit) {
  constexpr auto kDigits = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) {
    out += kDigits[unit >> shift & 0x0f];
  }
}

// The first character of well-formed UTF-8, by which the text is shortened.
std::uint32_t take_character(std::string_view& text) noexcept {
  const auto first = static_cast<std::uint8_t>(text.front());
  const std::size_t octets = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  std::uint32_t character = octets == 1 ? first : first & (0x7fU >> octets);
  for (const auto octet : text.substr(1, octets - 1)) {
    character = character << 6 | (static_cast<std::uint8_t>(octet) & 0x3fU);
  }
  text.remove_prefix(std::min(octets, text.size()));
  return character;
}

// RFC 8259 section 7, ASCII only; beyond U+FFFF as two units of UTF-16.
void append_json(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const auto character = take_character(text);
    switch (character) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (character >= 0x20 && character < 0x7f) {
          out += static_cast<char>(character);
        } else if (character < 0x10000) {
          append_json_unit(out, character);
        } else {
          append_json_unit(out, 0xd800 + ((character - 0x10000) >> 10));
          append_json_unit(out, 0xdc00 + ((character - 0x10000) & 0x3ff));
        }
    }
  }
  out += '"';
}

// ---- rows ----

// Puts the values of one row after the other at the end of `out`.
class Cells {
 public:
  Cells(std::string& out, bool json) : out_(out), json_(json) {}

  void nothing() { out_ += json_ ? std::string_view("null") : std::string_view(); }
  void already_escaped(const std::string& text) { out_ += text; }
  void text(std::string_view text) { json_ ? append_json(out_, text) : append_csv(out_, text); }
  void boolean(bool value) { out_ += value ? std::string_view("true") : std::string_view("false"); }

  void integer(const Numbers& numbers, std::size_t row) {
    put([&](char* to) { return write_integer(to, row_of(numbers, row), numbers.type); });
  }
  void floating(double value) {
    if (std::isfinite(value)) {
      put([&](char* to) { return write_float(to, value); });
    } else {
      nothing();
    }
  }
  void seconds(std::int64_t time_ns) {
    put([&](char* to) { return write_seconds(to, time_ns); });
  }
  void address(const std::byte* octets, std::uint8_t ip_version) {
    if (ip_version != 4 && ip_version != 6) {
      nothing();
      return;
    }
    const auto copy = load<std::array<std::uint8_t, 16>>(octets);
    put_quoted([&](char* to) { return write_address(to, copy, ip_version); });
  }
  void mac(const std::byte* octets) {
    const auto copy = load<std::array<std::uint8_t, 6>>(octets);
    put_quoted([&](char* to) { return write_mac(to, copy); });
  }
  void hexadecimal(std::uint64_t value) {
    put_quoted([&](char* to) { return write_hexadecimal(to, value); });
  }
  void integers(const Numbers& numbers, std::size_t row, std::int64_t count) {
    out_ += json_ ? std::string_view("[") : std::string_view();
    const auto most = static_cast<std::int64_t>(numbers.width);
    const auto* at = row_of(numbers, row);
    for (std::int64_t index = 0; index < std::min(count, most); ++index, at += numbers.item_stride) {
      if (index > 0) {
        out_ += json_ ? ',' : ' ';
      }
      put([&](char* to) { return write_integer(to, at, numbers.type); });
    }
    out_ += json_ ? std::string_view("]") : std::string_view();
  }

 private:
  template <typename Write>
  void put(Write write) {
    std::array<char, kLongestAddress + 2> characters;
    out_.append(characters.data(), write(characters.data()));
  }
  // JSON has no other form for it than a string; CSV needs no quotes.
  template <typename Write>
  void put_quoted(Write write) {
    put([&](char* to) {
      if (!json_) {
        return write(to);
      }
      *to++ = '"';
      to = write(to);
      *to++ = '"';
      return to;
    });
  }

  std::string& out_;
  bool json_;
};

// The texts of a choice, escaped once for all rows; empty where there is none.
using Choices = std::vector<std::string>;

void write_cell(Cells& cells, ColumnKind kind, const Column& column, const Choices& choices, std::size_t row) {
  const auto& numbers = column.numbers;
  switch (kind) {
    case ColumnKind::integer: cells.integer(numbers, row); break;
    case ColumnKind::null_integer:
      if (load<std::uint8_t>(row_of(column.beside, row)) != 0) {
        cells.integer(numbers, row);
      } else {
        cells.nothing();
      }
      break;
    case ColumnKind::floating: cells.floating(load<double>(row_of(numbers, row))); break;
    case ColumnKind::seconds: cells.seconds(load<std::int64_t>(row_of(numbers, row))); break;
    case ColumnKind::boolean: cells.boolean(load<std::uint8_t>(row_of(numbers, row)) != 0); break;
    case ColumnKind::address:
      cells.address(row_of(numbers, row), load<std::uint8_t>(row_of(column.beside, row)));
      break;
    case ColumnKind::mac: cells.mac(row_of(numbers, row)); break;
    case ColumnKind::hexadecimal: cells.hexadecimal(load<std::uint64_t>(row_of(numbers, row))); break;
    case ColumnKind::choice: {
      const auto code = static_cast<std::uint64_t>(load_signed(row_of(numbers, row), numbers.type));
      if (code < choices.size() && column.texts[code]) {
        cells.already_escaped(choices[code]);
      } else {
        cells.nothing();
      }
      break;
    }
    case ColumnKind::text:
      if (const auto& text = column.texts[row]) {
        cells.text(*text);
      } else {
        cells.nothing();
      }
      break;
    case ColumnKind::integers: cells.integers(numbers, row, load<std::int64_t>(row_of(column.beside, row))); break;
  }
}

}  // namespace

RowWriter::RowWriter(const std::vector<Field>& fields, bool json) : json_(json), line_end_(json ? "}\n" : "\n") {
  for (const auto& [name, kind] : fields) {
    const auto first = places_.empty();
    auto& before = places_.emplace_back(Place{.before = {}, .kind = kind}).before;
    if (json) {
      before += first ? '{' : ',';
      before += escaped(name);
      before += ':';
    } else {
      before += first ? "" : ",";
      header_ += before;
      header_ += escaped(name);
    }
  }
  if (!json) {
    header_ += line_end_;
  }
}

std::string RowWriter::escaped(std::string_view text) const {
  std::string out;
  Cells(out, json_).text(text);
  return out;
}

void RowWriter::write(std::size_t rows, std::span<const Column> columns, std::string& out) const {
  std::vector<Choices> choices(columns.size());
  std::size_t usual = line_end_.size();
  for (std::size_t index = 0; index < places_.size(); ++index) {
    usual += places_[index].before.size() + kUsualCell;
    if (places_[index].kind == ColumnKind::choice) {
      for (const auto& text : columns[index].texts) {
        choices[index].push_back(escaped(text.value_or("")));
      }
    }
  }
  out.reserve(out.size() + rows * usual);
  Cells cells(out, json_);
  for (std::size_t row = 0; row < rows; ++row) {
    const auto begin = out.size();
    for (std::size_t index = 0; index < places_.size(); ++index) {
      out += places_[index].before;
      write_cell(cells, places_[index].kind, columns[index], choices[index], row);
    }
    if (out.size() == begin) {
      out += "\"\"";  // one column and nothing in it: readers pass over a line that is empty
    }
    out += line_end_;
  }
}

}  // namespace spanflow
