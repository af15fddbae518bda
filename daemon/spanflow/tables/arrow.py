# SPDX-License-Identifier: Apache-2.0
"""Flows as Arrow tables, and as data frames of pandas.

Integers keep their type, seconds and means are float64, choices are dictionaries of text (in pandas:
categories), addresses are text. Each field has the unit and the definition of its column as metadata, the
schema the versions of the feature sets.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from spanflow.errors import ExitCode, SpanflowError
from spanflow.features.batch import FlowBatch
from spanflow.features.column import (
    Column,
    Kind,
    address_choice,
    hexadecimal_text,
    in_seconds,
    mac_choice,
)
from spanflow.features.selection import Selection
from spanflow.features.table import FEATURE_SETS
from spanflow.record import Array

if TYPE_CHECKING:
    import pandas
    import pyarrow


class MissingPackageError(SpanflowError):
    """A package that only some tables need is not installed."""

    exit_code = ExitCode.UNAVAILABLE


def package(name: str, extra: str) -> Any:
    """The module of an optional package. Late: it takes longer to load than everything else."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        text = f"{name}: cannot be loaded ({error}); pip install 'spanflow[{extra}]'"
        raise MissingPackageError(text) from error


def arrow() -> Any:
    """pyarrow. Raises MissingPackageError."""
    return package("pyarrow", "parquet")


def schema(selection: Selection) -> pyarrow.Schema:
    """The schema of a table of these columns. Raises MissingPackageError."""
    pa = arrow()
    fields = [
        pa.field(name, _type(pa, column), metadata={"unit": column.unit, "definition": column.definition})
        for name, column in zip(selection.names, selection.columns, strict=True)
    ]
    versions = " ".join(f"{each.name}={each.version}" for each in FEATURE_SETS)
    return pa.schema(fields, metadata={"spanflow.features": versions})


def arrow_reader(batches: Iterable[FlowBatch], selection: Selection) -> pyarrow.RecordBatchReader:
    """One Arrow batch for each of `batches`, when it is asked for. Raises MissingPackageError."""
    pa = arrow()
    found = schema(selection)
    each: Iterator[Any] = (record_batch(flows, selection, found) for flows in batches)
    return pa.RecordBatchReader.from_batches(found, each)


def arrow_table(batches: Iterable[FlowBatch], selection: Selection) -> pyarrow.Table:
    """All flows as one table in memory. Raises MissingPackageError."""
    return arrow_reader(batches, selection).read_all().unify_dictionaries()


def to_pandas(batches: Iterable[FlowBatch], selection: Selection) -> pandas.DataFrame:
    """All flows as one data frame in memory. Raises MissingPackageError."""
    package("pandas", "pandas,parquet")
    frame: pandas.DataFrame = arrow_table(batches, selection).to_pandas()
    return frame


def record_batch(flows: FlowBatch, selection: Selection, into: pyarrow.Schema) -> pyarrow.RecordBatch:
    """One batch. into: what `schema` gave for the selection."""
    pa = arrow()
    arrays = [
        _ARRAYS[column.kind](pa, flows.cells(column), field.type)
        for column, field in zip(selection.columns, into, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=into)


def _type(pa: Any, column: Column) -> Any:
    if column.kind in (Kind.INTEGER, Kind.NULL_INTEGER):
        return pa.from_numpy_dtype(np.dtype(column.dtype))
    if column.kind is Kind.INTEGERS:
        return pa.list_(pa.from_numpy_dtype(np.dtype(column.dtype)))
    if column.kind is Kind.CHOICE:
        return pa.dictionary(pa.int32(), pa.string())
    if column.kind is Kind.BOOLEAN:
        return pa.bool_()
    return pa.float64() if column.kind in (Kind.FLOAT, Kind.SECONDS) else pa.string()


def _choice(pa: Any, choice: tuple[Array, list[str]]) -> Any:
    codes, texts = choice
    if len(set(texts)) < len(texts):  # numbers without a name: pandas wants each category once
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        codes, texts = np.array([places[text] for text in texts])[codes], list(places)
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(texts, pa.string()))


def _texts(pa: Any, texts: list[str | None], type_: Any) -> Any:
    try:
        return pa.array(texts, type_)
    except UnicodeEncodeError:  # a lone surrogate is a text in Python, and none in UTF-8
        encoded = (text and text.encode("utf-8", "replace").decode() for text in texts)
        return pa.array(encoded, type_)


def _lists(pa: Any, cells: tuple[Array, Array], type_: Any) -> Any:
    values, counts = cells
    kept = np.arange(values.shape[1]) < counts[:, np.newaxis]
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values[kept]), type=type_)


_ARRAYS: dict[Kind, Callable[[Any, Any, Any], Any]] = {
    Kind.INTEGER: lambda pa, cells, type_: pa.array(cells, type_),
    Kind.NULL_INTEGER: lambda pa, cells, type_: pa.array(cells[0], type_, mask=cells[1] == 0),
    Kind.WIDE_INTEGER: lambda pa, cells, type_: pa.array([str(value) for value in cells], type_),
    Kind.FLOAT: lambda pa, cells, type_: pa.array(cells, type_),
    Kind.SECONDS: lambda pa, cells, type_: pa.array(in_seconds(cells), type_),
    Kind.BOOLEAN: lambda pa, cells, type_: pa.array(cells.view(np.bool_), type_),
    Kind.ADDRESS: lambda pa, cells, _: _choice(pa, address_choice(cells)).dictionary_decode(),
    Kind.MAC: lambda pa, cells, _: _choice(pa, mac_choice(cells)).dictionary_decode(),
    Kind.HEXADECIMAL: lambda pa, cells, type_: pa.array(hexadecimal_text(cells), type_),
    Kind.CHOICE: lambda pa, cells, _: _choice(pa, cells),
    Kind.TEXT: _texts,
    Kind.INTEGERS: _lists,
}
