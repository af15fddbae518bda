// SPDX-License-Identifier: Apache-2.0
// Rows as text: what Python gives as columns, checked before a row is written.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "text/row_writer.hpp"

namespace nb = nanobind;

namespace spanflow {
namespace {

using Types = std::initializer_list<NumberType>;

constexpr Types kIntegers = {NumberType::i1, NumberType::i2, NumberType::i4, NumberType::i8,
                             NumberType::u1, NumberType::u2, NumberType::u4, NumberType::u8};
constexpr Types kCodes = {NumberType::u1, NumberType::u2, NumberType::u4};
constexpr Types kOctets = {NumberType::u1};
constexpr Types kTimes = {NumberType::i8};
constexpr Types kFloats = {NumberType::f8};
constexpr Types kWords = {NumberType::u8};

// Memory of an object of Python, which stays where it is as long as this lives.
class Buffer {
 public:
  explicit Buffer(nb::handle object) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_FORMAT | PyBUF_STRIDES) != 0) {
      throw nb::python_error();
    }
  }
  ~Buffer() { PyBuffer_Release(&view_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] const Py_buffer& view() const noexcept { return view_; }

 private:
  Py_buffer view_{};
};

// The type of what a buffer holds, as struct and numpy write it; none: not one of ours.
std::optional<NumberType> type_of(const Py_buffer& view) {
  std::string_view format = view.format == nullptr ? "B" : view.format;
  if (format.size() == 2 && std::string_view("@=<").find(format.front()) != std::string_view::npos) {
    format.remove_prefix(1);
  }
  if (format.size() != 1) {
    return std::nullopt;
  }
  const auto is_one_of = [&](std::string_view letters) { return letters.find(format) != std::string_view::npos; };
  const auto of_size = [&](Types types) -> std::optional<NumberType> {
    switch (view.itemsize) {
      case 1: return types.begin()[0];
      case 2: return types.begin()[1];
      case 4: return types.begin()[2];
      case 8: return types.begin()[3];
      default: return std::nullopt;
    }
  };
  if (is_one_of("bhilqn")) {
    return of_size({NumberType::i1, NumberType::i2, NumberType::i4, NumberType::i8});
  }
  if (is_one_of("BHILQN?")) {
    return of_size({NumberType::u1, NumberType::u2, NumberType::u4, NumberType::u8});
  }
  return format == "d" ? std::optional(NumberType::f8) : std::nullopt;
}

// What one call of write() was given; it keeps alive what the columns point at.
class Columns {
 public:
  Columns(std::size_t rows, const std::vector<RowWriter::Field>& fields, const nb::sequence& given) : rows_(rows) {
    const nb::tuple objects(given);
    if (objects.size() != fields.size()) {
      throw std::invalid_argument(std::to_string(objects.size()) + " columns for " + std::to_string(fields.size()) +
                                  " names");
    }
    for (std::size_t index = 0; index < fields.size(); ++index) {
      name_ = &fields[index].name;
      columns_.push_back(column(fields[index].kind, objects[index]));
    }
  }

  [[nodiscard]] const std::vector<Column>& columns() const noexcept { return columns_; }

 private:
  Column column(ColumnKind kind, nb::handle object) {
    switch (kind) {
      case ColumnKind::integer: return {.numbers = numbers(object, kIntegers)};
      case ColumnKind::floating: return {.numbers = numbers(object, kFloats)};
      case ColumnKind::seconds: return {.numbers = numbers(object, kTimes)};
      case ColumnKind::boolean: return {.numbers = numbers(object, kOctets)};
      case ColumnKind::mac: return {.numbers = octets(object, 6)};
      case ColumnKind::hexadecimal: return {.numbers = numbers(object, kWords)};
      case ColumnKind::text: return {.texts = texts(object, true)};
      case ColumnKind::null_integer: {
        const auto [values, mask] = pair(object);
        return {.numbers = numbers(values, kIntegers), .beside = numbers(mask, kOctets)};
      }
      case ColumnKind::address: {
        const auto [values, versions] = pair(object);
        return {.numbers = octets(values, 16), .beside = numbers(versions, kOctets)};
      }
      case ColumnKind::choice: {
        const auto [codes, names] = pair(object);
        return {.numbers = numbers(codes, kCodes), .texts = texts(names, false)};
      }
      case ColumnKind::integers: {
        const auto [values, counts] = pair(object);
        return {.numbers = lists(values), .beside = numbers(counts, kTimes)};
      }
    }
    throw std::logic_error("no such kind");
  }

  [[noreturn]] void refuse(const std::string& problem) const {
    throw std::invalid_argument("column " + *name_ + ": " + problem);
  }

  [[nodiscard]] std::pair<nb::object, nb::object> pair(nb::handle object) const {
    if (!nb::isinstance<nb::tuple>(object) || nb::len(object) != 2) {
      refuse("is to be a tuple of two");
    }
    return {object[0], object[1]};
  }

  // A buffer of one of these types, of so many dimensions.
  [[nodiscard]] std::pair<const Py_buffer*, NumberType> buffer(nb::handle object, Types types, int dimensions) {
    const auto& view = buffers_.emplace_back(object).view();
    const auto type = type_of(view);
    if (!type || std::find(types.begin(), types.end(), *type) == types.end()) {
      refuse("values of a wrong type (" + std::string(view.format == nullptr ? "B" : view.format) + ")");
    }
    if (view.ndim != dimensions) {
      refuse(std::to_string(view.ndim) + " dimensions instead of " + std::to_string(dimensions));
    }
    return {&view, *type};
  }

  void check_rows(std::size_t rows) const {
    if (rows != rows_) {
      refuse(std::to_string(rows) + " values for " + std::to_string(rows_) + " rows");
    }
  }

  [[nodiscard]] Numbers numbers(nb::handle object, Types types) {
    const auto [view, type] = buffer(object, types, 1);
    check_rows(static_cast<std::size_t>(view->shape[0]));
    return {.data = static_cast<const std::byte*>(view->buf), .row_stride = view->strides[0], .type = type};
  }

  // So many octets side by side for each row, as a flat buffer or as one of two dimensions.
  [[nodiscard]] Numbers octets(nb::handle object, std::size_t width) {
    const auto& view = buffers_.emplace_back(object).view();
    if (type_of(view) != NumberType::u1 || view.ndim < 1 || view.ndim > 2 || view.strides[view.ndim - 1] != 1) {
      refuse("is to be a buffer of octets that lie side by side");
    }
    const auto flat = view.ndim == 1;
    const auto first = static_cast<std::size_t>(view.shape[0]);
    // Divided, not multiplied: no number of rows is so large that it fits again.
    const auto fits = flat ? first % width == 0 && first / width == rows_
                           : first == rows_ && static_cast<std::size_t>(view.shape[1]) == width;
    if (!fits) {
      const auto octets = flat ? first : first * static_cast<std::size_t>(view.shape[1]);
      refuse(std::to_string(octets) + " octets for " + std::to_string(rows_) + " rows of " + std::to_string(width));
    }
    return {.data = static_cast<const std::byte*>(view.buf),
            .row_stride = flat ? static_cast<std::ptrdiff_t>(width) : view.strides[0],
            .item_stride = 1,
            .width = width};
  }

  [[nodiscard]] Numbers lists(nb::handle object) {
    const auto [view, type] = buffer(object, kIntegers, 2);
    check_rows(static_cast<std::size_t>(view->shape[0]));
    return {.data = static_cast<const std::byte*>(view->buf),
            .row_stride = view->strides[0],
            .item_stride = view->strides[1],
            .width = static_cast<std::size_t>(view->shape[1]),
            .type = type};
  }

  [[nodiscard]] std::vector<std::optional<std::string_view>> texts(nb::handle object, bool one_for_each_row) {
    // A tuple of our own: nobody can take a string out of it while rows are written.
    auto& strings = strings_.emplace_back(nb::steal<nb::tuple>(PySequence_Tuple(object.ptr())));
    if (!strings.is_valid()) {
      throw nb::python_error();
    }
    if (one_for_each_row) {
      check_rows(strings.size());
    }
    std::vector<std::optional<std::string_view>> all;
    all.reserve(strings.size());
    for (const auto string : strings) {
      all.push_back(string.is_none() ? std::nullopt : std::optional(utf8(string)));
    }
    return all;
  }

  [[nodiscard]] std::string_view utf8(nb::handle string) {
    if (!PyUnicode_Check(string.ptr())) {
      refuse("text is to be str or None");
    }
    Py_ssize_t octets = 0;
    if (const char* text = PyUnicode_AsUTF8AndSize(string.ptr(), &octets); text != nullptr) {
      return {text, static_cast<std::size_t>(octets)};
    }
    // A half of a surrogate pair alone is no character: it becomes a question mark.
    PyErr_Clear();
    const auto replaced = nb::steal<nb::bytes>(PyUnicode_AsEncodedString(string.ptr(), "utf-8", "replace"));
    if (!replaced.is_valid()) {
      throw nb::python_error();
    }
    const auto& kept = encoded_.emplace_back(replaced.c_str(), replaced.size());
    return kept;
  }

  std::size_t rows_;
  const std::string* name_ = nullptr;
  std::deque<Buffer> buffers_;
  std::deque<nb::tuple> strings_;
  std::deque<std::string> encoded_;
  std::vector<Column> columns_;
};

// A RowWriter, with what it needs to check columns.
struct TextWriter {
  TextWriter(std::vector<RowWriter::Field> its_fields, bool json) : fields(std::move(its_fields)), rows(fields, json) {}

  std::vector<RowWriter::Field> fields;
  RowWriter rows;
};

std::vector<RowWriter::Field> fields_of(const std::vector<std::string>& names, const std::vector<std::string>& kinds) {
  if (names.empty() || names.size() != kinds.size()) {
    throw std::invalid_argument("a kind for each name, and one column at least");
  }
  std::vector<RowWriter::Field> fields;
  for (std::size_t index = 0; index < names.size(); ++index) {
    const auto* kind = std::find_if(kColumnKinds.begin(), kColumnKinds.end(),
                                    [&](const auto& known) { return known.first == kinds[index]; });
    if (kind == kColumnKinds.end()) {
      throw std::invalid_argument("column " + names[index] + ": no kind " + kinds[index]);
    }
    fields.push_back({.name = names[index], .kind = kind->second});
  }
  return fields;
}

nb::bytes write_rows(const TextWriter& writer, std::size_t rows, const nb::sequence& columns) {
  const Columns checked(rows, writer.fields, columns);
  std::string text;
  {
    const nb::gil_scoped_release release;
    writer.rows.write(rows, checked.columns(), text);
  }
  return nb::bytes(text.data(), text.size());
}

}  // namespace

void bind_text(nb::module_& module) {
  nb::class_<TextWriter>(module, "RowWriter")
      .def(
          "__init__",
          [](TextWriter* self, const std::vector<std::string>& names, const std::vector<std::string>& kinds,
             bool json) { new (self) TextWriter(fields_of(names, kinds), json); },
          nb::arg("names"), nb::arg("kinds"), nb::kw_only(), nb::arg("json"))
      .def("header",
           [](const TextWriter& writer) {
             const auto& header = writer.rows.header();
             return nb::bytes(header.data(), header.size());
           })
      .def("write", &write_rows, nb::arg("rows"), nb::arg("columns"));
}

}  // namespace spanflow
