// SPDX-License-Identifier: Apache-2.0
// Rows as text, made of columns: CSV (RFC 4180) with LF line ends, or JSON (RFC 8259), one object a line.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spanflow {

enum class ColumnKind : std::uint8_t {
  integer,
  null_integer,  // an integer, or nothing
  floating,      // the shortest form that reads back; NaN and infinities are nothing
  seconds,       // nanoseconds as exact decimal seconds
  boolean,
  address,
  mac,
  hexadecimal,  // 64 bits as 16 digits
  choice,       // a number that stands for a text; one that stands for none is nothing
  text,
  integers,  // up to so many of each row; CSV: with spaces between them
};
inline constexpr std::array<std::pair<std::string_view, ColumnKind>, 11> kColumnKinds = {
    {{"integer", ColumnKind::integer},
     {"null_integer", ColumnKind::null_integer},
     {"float", ColumnKind::floating},
     {"seconds", ColumnKind::seconds},
     {"boolean", ColumnKind::boolean},
     {"address", ColumnKind::address},
     {"mac", ColumnKind::mac},
     {"hexadecimal", ColumnKind::hexadecimal},
     {"choice", ColumnKind::choice},
     {"text", ColumnKind::text},
     {"integers", ColumnKind::integers}}};

enum class NumberType : std::uint8_t { i1, i2, i4, i8, u1, u2, u4, u8, f8 };

// Numbers that lie in memory at equal distances, `width` for each row; nobody says that they are aligned.
struct Numbers {
  const std::byte* data = nullptr;
  std::ptrdiff_t row_stride = 0;
  std::ptrdiff_t item_stride = 0;
  std::size_t width = 1;
  NumberType type = NumberType::u1;
};

// What the rows have in one column. Whoever makes it answers for what it points at: `numbers` has as many rows as are
// written, of the type and width of the column's kind.
struct Column {
  Numbers numbers{};
  Numbers beside{};  // address: IP version; null_integer: 0 where there is none; integers: how many there are
  std::vector<std::optional<std::string_view>> texts{};  // text: one for each row; choice: one for each number. UTF-8
};

// Owner: whoever made it; write() may run in several threads at once.
class RowWriter {
 public:
  struct Field {
    std::string name;
    ColumnKind kind;
  };

  RowWriter(const std::vector<Field>& fields, bool json);

  // The first line of CSV; JSON has none.
  [[nodiscard]] const std::string& header() const noexcept { return header_; }

  // Appends the text of `rows` rows. `columns`: one for each field.
  void write(std::size_t rows, std::span<const Column> columns, std::string& out) const;

 private:
  // A field as it is written: what stands before its value, and which it is.
  struct Place {
    std::string before;
    ColumnKind kind;
  };

  [[nodiscard]] std::string escaped(std::string_view text) const;

  bool json_;
  std::string header_;
  std::string line_end_;
  std::vector<Place> places_;
};

}  // namespace spanflow
