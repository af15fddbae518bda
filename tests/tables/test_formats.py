# SPDX-License-Identifier: Apache-2.0
"""Every format has the values that a flow has, column by column; readers of others read them back."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from typing import Any

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest

from spanflow.features import Column, FlowBatch, Kind, Selection, select
from spanflow.features.table import FEATURE_SETS
from spanflow.tables import CsvWriter, JsonWriter, ParquetWriter, arrow_reader, arrow_table, to_pandas
from tables.flows import HARD_NAMES, everything, golden_batches, no_flows

Columns = list[list[Any]]


def text(writer: type[CsvWriter | JsonWriter], batches: list[FlowBatch], selection: Selection) -> str:
    output = io.BytesIO()
    with writer(output, selection) as table:
        for flows in batches:
            table.write(flows)
    return output.getvalue().decode()


def expected(batches: list[FlowBatch], selection: Selection) -> Columns:
    """What flows say themselves."""
    return [list(chain.from_iterable(flows.values(name) for flows in batches)) for name in selection.names]


def nanoseconds(batches: list[FlowBatch], column: Column) -> list[int]:
    return list(chain.from_iterable(flows.cells(column).tolist() for flows in batches))


def test_csv() -> None:
    batches, selection = golden_batches(), everything()
    header, *rows = csv.reader(io.StringIO(text(CsvWriter, batches, selection), newline=""))
    assert header == list(selection.names)
    found = dict(zip(header, zip(*rows, strict=True), strict=True))
    for name, column, values in zip(
        selection.names, selection.columns, expected(batches, selection), strict=True
    ):
        if column.kind is Kind.SECONDS:
            exact = [Decimal(each) / 10**9 for each in nanoseconds(batches, column)]
            assert [Decimal(each) for each in found[name]] == exact, name
        elif column.kind is Kind.FLOAT:
            assert equal([float(each or "nan") for each in found[name]], values), name
        else:
            assert list(found[name]) == [csv_text(value) for value in values], name


def csv_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)


def test_json() -> None:
    batches, selection = golden_batches(), everything()
    written = text(JsonWriter, batches, selection)
    assert written.isascii()
    rows = [json.loads(line) for line in written.splitlines()]
    assert all(list(row) == list(selection.names) for row in rows)
    for name, column, values in zip(
        selection.names, selection.columns, expected(batches, selection), strict=True
    ):
        wide = column.kind is Kind.WIDE_INTEGER
        wanted = [str(value) if wide else None if value != value else value for value in values]
        assert [row[name] for row in rows] == wanted, name


def as_arrow(batches: list[FlowBatch], selection: Selection) -> pyarrow.Table:
    return arrow_table(batches, selection)


def streamed(batches: list[FlowBatch], selection: Selection) -> pyarrow.Table:
    return arrow_reader(iter(batches), selection).read_all()


def from_parquet(batches: list[FlowBatch], selection: Selection) -> pyarrow.Table:
    output = io.BytesIO()
    assert ParquetWriter(output, selection).write_all(batches) == sum(map(len, batches))
    return pyarrow.parquet.read_table(io.BytesIO(output.getvalue()))


@pytest.mark.parametrize("made", [as_arrow, streamed, from_parquet])
def test_arrow_and_parquet(made: Callable[[list[FlowBatch], Selection], pyarrow.Table]) -> None:
    batches, selection = golden_batches(), everything()
    table = made(batches, selection)
    assert table.column_names == list(selection.names)
    for name, column, values in zip(
        selection.names, selection.columns, expected(batches, selection), strict=True
    ):
        wide = column.kind is Kind.WIDE_INTEGER
        assert equal(table[name].to_pylist(), list(map(str, values)) if wide else values), name
        if column.kind is Kind.INTEGER:
            assert table.schema.field(name).type.to_pandas_dtype() == np.dtype(column.dtype)
        if column.kind is Kind.CHOICE:
            assert pyarrow.types.is_dictionary(table.schema.field(name).type)
    assert table.schema.field("packet_length_mean").metadata[b"unit"] == b"octets"
    versions = " ".join(f"{each.name}={each.version}" for each in FEATURE_SETS)
    assert table.schema.metadata[b"spanflow.features"] == versions.encode()


def equal(found: list[Any], wanted: list[Any]) -> bool:
    """NaN is NaN."""
    return all(
        one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))
        for one, other in zip(found, wanted, strict=True)
    )


def test_pandas() -> None:
    batches, selection = golden_batches(), select(("core", "statistics", "packets", "classic"))
    frame = to_pandas(batches, selection)
    assert list(frame) == list(selection.names)
    for name, values in zip(selection.names, expected(batches, selection), strict=True):
        found = [value.tolist() if isinstance(value, np.ndarray) else value for value in frame[name]]
        assert equal(found, values), name
    assert frame["flow_id"].dtype == np.uint64
    assert frame["packet_length_mean"].dtype == np.float64
    assert frame["continuation"].dtype == np.bool_
    assert isinstance(frame["end_detail"].dtype, pandas.CategoricalDtype)
    assert isinstance(frame["application"].dtype, pandas.CategoricalDtype)
    assert set(frame["application"]) == {"", "TLS", 'TLS.Wi"ld, one'}
    assert set(frame["category"]) == {"Web"}


def test_hard_names_are_read_back() -> None:
    batches, selection = golden_batches(), select("server_name")
    names = [name.decode("utf-8", "replace") for name in HARD_NAMES]
    assert set(
        chain.from_iterable(csv.reader(io.StringIO(text(CsvWriter, batches, selection), newline="")))
    ) == {
        "server_name",
        *names,
    }
    rows = map(json.loads, text(JsonWriter, batches, selection).splitlines())
    assert {row["server_name"] for row in rows} == set(names)


def test_no_flows() -> None:
    for batches in ([], [no_flows()]):
        assert text(CsvWriter, batches, everything()) == ",".join(everything().names) + "\n"
        assert text(JsonWriter, batches, everything()) == ""
        for made in (as_arrow, streamed, from_parquet):
            table = made(batches, everything())
            assert (table.num_rows, table.column_names) == (0, list(everything().names))
        assert to_pandas(batches, everything()).shape == (0, len(everything().names))


@pytest.mark.parametrize("batches", [1, 2])
def test_categories_without_a_name_are_one(batches: int) -> None:
    """The engine's numbers have gaps; pandas wants each category once."""
    selection = select("category")
    frame = to_pandas(golden_batches()[:batches], selection)
    assert frame["category"].tolist() == expected(golden_batches()[:batches], selection)[0]
    assert frame["category"].cat.categories.is_unique


def test_a_text_that_utf8_does_not_have() -> None:
    """Plugins may return lone surrogates; every format has a question mark then."""
    batch = golden_batches()[0].batch
    texts = np.array(["\ud800x", *[""] * (len(batch) - 1)], object)
    flows = FlowBatch(replace(batch, columns={"label": texts}))
    selection = select("label", {"label": "string"})
    assert arrow_table([flows], selection)["label"][0].as_py() == "?x"
    assert text(CsvWriter, [flows], selection).splitlines()[1] == "?x"
    assert json.loads(text(JsonWriter, [flows], selection).splitlines()[0]) == {"label": "?x"}
