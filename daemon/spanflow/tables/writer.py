# SPDX-License-Identifier: Apache-2.0
"""What every writer of a table does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from spanflow.features.batch import FlowBatch
from spanflow.features.selection import Selection
from spanflow.tables.output import Output, Target


class TableWriter(ABC):
    """Takes batch after batch; close() ends the table, discard() gives it up.

    As a context manager it does one or the other, by how the block ends. What is not closed is not there.
    Raises OutputError (spanflow.tables.output says what `target` may be).
    """

    def __init__(self, target: Target, selection: Selection) -> None:
        self._selection = selection
        self._output = Output(target)

    @abstractmethod
    def write(self, flows: FlowBatch) -> None:
        """Append the flows of a batch."""

    def write_all(self, batches: Iterable[FlowBatch]) -> int:
        """The whole table, which ends with `batches`; returns how many flows it has."""
        flows = 0
        with self:
            for each in batches:
                self.write(each)
                flows += len(each)
        return flows

    def close(self) -> None:
        """The table is complete."""
        self._output.finish()

    def discard(self) -> None:
        """Nothing of it stays, where that can be."""
        self._output.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.discard()
            return
        try:
            self.close()
        except BaseException:
            self.discard()
            raise
