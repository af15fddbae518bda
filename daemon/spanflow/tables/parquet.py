# SPDX-License-Identifier: Apache-2.0
"""Tables as Parquet files."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from spanflow.features.batch import FlowBatch
from spanflow.features.selection import Selection
from spanflow.tables.arrow import arrow, package, record_batch, schema
from spanflow.tables.output import Target
from spanflow.tables.writer import TableWriter

MOST_ROWS = 1 << 17
MOST_OCTETS = 32 << 20
"""What a row group has at most, and so what is held in memory."""


class ParquetWriter(TableWriter):
    """Row groups of at most 128 Ki flows or 32 MiB, whichever comes first. Raises MissingPackageError too."""

    def __init__(self, target: Target, selection: Selection) -> None:
        self._schema = schema(selection)
        parquet = package("pyarrow.parquet", "parquet")
        super().__init__(target, selection)
        self._held: list[Any] = []
        self._rows = self._octets = 0
        with self._output.told():
            self._parquet = parquet.ParquetWriter(self._output.file, self._schema)

    def write(self, flows: FlowBatch) -> None:
        if self._rows + len(flows) > MOST_ROWS:
            self._write_group()
        batch = record_batch(flows, self._selection, self._schema)
        self._held.append(batch)
        self._rows += len(flows)
        self._octets += batch.nbytes
        if self._octets >= MOST_OCTETS:
            self._write_group()

    def close(self) -> None:
        self._write_group()
        with self._output.told():
            self._parquet.close()
        super().close()

    def discard(self) -> None:
        # pyarrow's writer, if it is left open, writes its footer later, into a file that is closed then.
        with suppress(OSError):
            self._parquet.close()
        super().discard()

    def _write_group(self) -> None:
        if not self._held:
            return
        table = arrow().Table.from_batches(self._held, self._schema).unify_dictionaries()
        with self._output.told():
            self._parquet.write_table(table, row_group_size=MOST_ROWS)
        self._held.clear()
        self._rows = self._octets = 0
