# SPDX-License-Identifier: Apache-2.0
"""The native RowWriter against Python's csv and json, over columns that hypothesis makes."""

from __future__ import annotations

import csv
import io
import json
import math
import socket
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spanflow._core import RowWriter
from spanflow.record import FIRST_PACKET, RECORD

SECOND = 1_000_000_000
INTEGERS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


@dataclass(frozen=True)
class Made:
    """What the writer gets as a column, and the text of each value: before quotes (CSV), with them (JSON)."""

    column: object
    csv: list[str]
    json: list[str]


def made(column: object, values: list[Any]) -> Made:
    return Made(column, ["" if value is None else str(value) for value in values], json_of(values))


def json_of(values: list[Any]) -> list[str]:
    return [json.dumps(value, separators=(",", ":")) for value in values]


@st.composite
def integers(draw: st.DrawFn, rows: int) -> Made:
    dtype = np.dtype(draw(st.sampled_from(INTEGERS)))
    info = np.iinfo(dtype)
    values = draw(st.lists(st.integers(info.min, info.max), min_size=rows, max_size=rows))
    every = draw(st.sampled_from([1, 2, -1]))  # how far apart they lie
    column = np.zeros(rows * abs(every), dtype)[::every]
    column[:] = values
    return made(column, values)


@st.composite
def null_integers(draw: st.DrawFn, rows: int) -> Made:
    values = draw(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=rows, max_size=rows))
    mask = np.array([value is not None for value in values], np.uint8)
    return made((np.array([7 if value is None else value for value in values], np.int64), mask), values)


@st.composite
def floats(draw: st.DrawFn, rows: int) -> Made:
    values = draw(st.lists(st.floats(), min_size=rows, max_size=rows))
    return made(np.array(values, float), [value if math.isfinite(value) else None for value in values])


@st.composite
def seconds(draw: st.DrawFn, rows: int) -> Made:
    values = draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=rows, max_size=rows))
    texts = []
    for value in values:
        whole, fraction = divmod(abs(value), SECOND)
        sign = "-" if value < 0 else ""
        texts.append(f"{sign}{whole}.{f'{fraction:09}'.rstrip('0') or '0'}")
    return Made(np.array(values, np.int64), texts, texts)


@st.composite
def booleans(draw: st.DrawFn, rows: int) -> Made:
    values = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
    column = np.array(values, draw(st.sampled_from(["u1", "?"])))
    return Made(column, json_of(values), json_of(values))


ADDRESSES = st.binary(min_size=16, max_size=16) | st.lists(
    st.sampled_from([b"\0\0", b"\0\0", b"\0\x01", b"\xff\xff", b"\x0a\xbc"]), min_size=8, max_size=8
).map(b"".join)


@st.composite
def addresses(draw: st.DrawFn, rows: int) -> Made:
    octets = draw(st.lists(ADDRESSES, min_size=rows, max_size=rows))
    versions = draw(st.lists(st.sampled_from([4, 6, 0]), min_size=rows, max_size=rows))
    values = [
        None
        if version == 0
        else socket.inet_ntop(socket.AF_INET, each[12:])
        if version == 4
        else socket.inet_ntop(socket.AF_INET6, each)
        for each, version in zip(octets, versions, strict=True)
    ]
    return made((b"".join(octets), bytes(versions)), values)


@st.composite
def macs(draw: st.DrawFn, rows: int) -> Made:
    octets = draw(st.lists(st.binary(min_size=6, max_size=6), min_size=rows, max_size=rows))
    column = np.frombuffer(b"".join(octets), np.uint8).reshape(rows, 6)
    return made(column, [each.hex(":") for each in octets])


@st.composite
def hexadecimals(draw: st.DrawFn, rows: int) -> Made:
    values = draw(st.lists(st.integers(0, 2**64 - 1), min_size=rows, max_size=rows))
    return made(array("Q", values), [f"{value:016x}" for value in values])


TEXTS = st.text(st.characters(codec="utf-8")) | st.text(st.sampled_from(',"\r\n =;\\\t\0\x7fé😀'))


@st.composite
def choices(draw: st.DrawFn, rows: int) -> Made:
    names = draw(st.lists(TEXTS, max_size=5))
    codes = draw(st.lists(st.integers(0, 7), min_size=rows, max_size=rows))
    column = np.array(codes, draw(st.sampled_from(["u1", "u2", "u4"])))
    return made((column, names), [names[code] if code < len(names) else None for code in codes])


@st.composite
def texts(draw: st.DrawFn, rows: int) -> Made:
    values = draw(st.lists(st.none() | TEXTS, min_size=rows, max_size=rows))
    return made(values, values)


@st.composite
def lists(draw: st.DrawFn, rows: int) -> Made:
    width = draw(st.integers(0, 3))
    dtype = np.dtype(draw(st.sampled_from(INTEGERS)))
    info = np.iinfo(dtype)
    column = np.zeros((rows, width), dtype)
    counts = draw(st.lists(st.integers(0, width), min_size=rows, max_size=rows))
    for row in range(rows):
        column[row] = draw(st.lists(st.integers(info.min, info.max), min_size=width, max_size=width))
    values = [column[row, : counts[row]].tolist() for row in range(rows)]
    texts = [" ".join(map(str, each)) for each in values]
    return Made((column, np.array(counts, np.int64)), texts, json_of(values))


KINDS: dict[str, Callable[[int], st.SearchStrategy[Made]]] = {
    "integer": integers,
    "null_integer": null_integers,
    "float": floats,
    "seconds": seconds,
    "boolean": booleans,
    "address": addresses,
    "mac": macs,
    "hexadecimal": hexadecimals,
    "choice": choices,
    "text": texts,
    "integers": lists,
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, list[str], list[str], list[Made]]:
    rows = draw(st.integers(0, 4))
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=6))
    names = draw(st.lists(TEXTS.filter(bool), min_size=len(kinds), max_size=len(kinds), unique=True))
    return rows, names, kinds, [draw(KINDS[kind](rows)) for kind in kinds]


def as_csv(rows: list[list[str]]) -> bytes:
    """What Python's csv makes of it: it quotes the characters of its line ends, CR and LF."""
    lines = []
    for row in rows:
        text = io.StringIO()
        csv.writer(text).writerow(row)
        lines.append(text.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines).encode()


@settings(max_examples=200, deadline=None)
@given(tables())
def test_csv_is_what_python_writes(table: tuple[int, list[str], list[str], list[Made]]) -> None:
    rows, names, kinds, columns = table
    writer = RowWriter(names, kinds, json=False)
    written = writer.header() + writer.write(rows, [each.column for each in columns])
    expected = [names, *([each.csv[row] for each in columns] for row in range(rows))]
    assert written == as_csv(expected)
    assert list(csv.reader(io.StringIO(written.decode(), newline=""))) == expected


@settings(max_examples=200, deadline=None)
@given(tables())
def test_json_is_what_python_writes(table: tuple[int, list[str], list[str], list[Made]]) -> None:
    rows, names, kinds, columns = table
    writer = RowWriter(names, kinds, json=True)
    assert writer.header() == b""
    lines = writer.write(rows, [each.column for each in columns]).decode("ascii").splitlines()
    expected = [
        ",".join(f"{json.dumps(name)}:{each.json[row]}" for name, each in zip(names, columns, strict=True))
        for row in range(rows)
    ]
    assert lines == [f"{{{members}}}" for members in expected]
    assert all(list(json.loads(line)) == names for line in lines)


@given(st.floats())
@example(0.0001)
@example(9.999999999999999e-05)
@example(9999999999999998.0)
@example(1e16)
@example(5e-324)
@example(-0.0)
def test_a_float_is_what_repr_says(value: float) -> None:
    column = np.array([value])
    expected = repr(value) if math.isfinite(value) else '""'
    assert RowWriter(["x"], ["float"], json=False).write(1, [column]) == f"{expected}\n".encode()


def written(kind: str, column: object, rows: int, *, json: bool = False) -> bytes:
    return RowWriter(["x"], [kind], json=json).write(rows, [column])


def test_members_of_records_need_no_copy() -> None:
    records = np.zeros(2, RECORD)
    records["forward"]["octet_delta_count"] = [2**64 - 1, 3]
    records["ip_version"] = [4, 6]
    records["source_address"][0, 12:] = [192, 0, 2, 1]
    records["forward"]["source_mac_address"][1] = 255
    assert written("integer", records["forward"]["octet_delta_count"], 2) == b"18446744073709551615\n3\n"
    assert written("address", (records["source_address"], records["ip_version"]), 2) == b"192.0.2.1\n::\n"
    assert written("mac", records["forward"]["source_mac_address"], 2).endswith(b"ff:ff:ff:ff:ff:ff\n")
    packets = np.zeros((2, 3), FIRST_PACKET)
    packets["direction"] = [[0, 1, -1], [0, -1, -1]]
    counts = np.array([2, 9])  # no more than there are
    assert written("integers", (packets["direction"], counts), 2, json=True) == (
        b'{"x":[0,1]}\n{"x":[0,-1,-1]}\n'
    )


def test_a_lone_surrogate_is_no_character() -> None:
    assert written("text", ["a\ud800b"], 1) == b"a?b\n"


U1 = np.zeros(3, np.uint8)
I8 = np.zeros(3, np.int64)


@pytest.mark.parametrize(
    ("kind", "column", "problem"),
    [
        ("integer", I8[:2], "2 values for 3 rows"),
        ("integer", np.zeros(4, np.uint8), "4 values for 3 rows"),
        ("integer", np.zeros((3, 1), np.uint8), "2 dimensions"),
        ("integer", np.zeros(3), "wrong type"),
        ("integer", I8.astype(">i8"), "wrong type"),
        ("integer", np.zeros(3, RECORD), "wrong type"),
        ("integer", np.zeros(3, "S8"), "wrong type"),
        ("float", np.zeros(3, np.float32), "wrong type"),
        ("float", I8, "wrong type"),
        ("seconds", I8.view(np.uint64), "wrong type"),
        ("seconds", np.zeros(3, np.int32), "wrong type"),
        ("boolean", I8, "wrong type"),
        ("hexadecimal", I8, "wrong type"),
        ("address", U1, "tuple of two"),
        ("address", (bytes(47), U1), "47 octets for 3 rows of 16"),
        ("address", (bytes(48), U1[:2]), "2 values for 3 rows"),
        ("address", (np.zeros((6, 8), np.uint8), U1), "48 octets for 3 rows"),
        ("address", (np.zeros((3, 32), np.uint8)[:, ::2], U1), "side by side"),
        ("mac", bytes(17), "17 octets for 3 rows of 6"),
        ("mac", np.zeros((3, 6), np.uint16), "buffer of octets"),
        ("choice", (I8, ["a"]), "wrong type"),
        ("choice", (U1[:1], ["a"]), "1 values for 3 rows"),
        ("text", ["a", "b"], "2 values for 3 rows"),
        ("text", ["a", "b", 3], "str or None"),
        ("integers", (I8, I8), "1 dimensions"),
        ("integers", (np.zeros((2, 2), np.uint8), I8), "2 values for 3 rows"),
        ("integers", (np.zeros((3, 2), np.uint8), U1), "wrong type"),
        ("null_integer", (I8, U1[:2]), "2 values for 3 rows"),
        ("null_integer", (I8, I8), "wrong type"),
        ("null_integer", (I8, U1, U1), "tuple of two"),
    ],
)
def test_a_wrong_column_is_refused(kind: str, column: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refused:
        written(kind, column, 3)
    assert str(refused.value).startswith("column x: ")


def test_no_number_of_rows_is_so_large_that_it_fits_again() -> None:
    """2^63 rows of 6 octets are 0 octets, modulo 2^64."""
    with pytest.raises(ValueError, match="column a: 0 octets for 9223372036854775808 rows of 6"):
        RowWriter(["a", "b"], ["mac", "mac"], json=False).write(2**63, [b"", b""])


def test_what_is_no_buffer_is_refused() -> None:
    with pytest.raises(TypeError):
        written("integer", [1, 2, 3], 3)
    with pytest.raises(ValueError, match="2 columns for 1 names"):
        RowWriter(["x"], ["integer"], json=False).write(3, [I8, I8])
    with pytest.raises(ValueError, match="no kind number"):
        RowWriter(["x"], ["number"], json=False)
    with pytest.raises(ValueError, match="a kind for each name"):
        RowWriter(["x", "y"], ["integer"], json=False)
    with pytest.raises(ValueError, match="a kind for each name"):
        RowWriter([], [], json=False)
