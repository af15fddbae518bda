# SPDX-License-Identifier: Apache-2.0
"""A flow as a Python object: a view of one row, which reads only what it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from spanflow.features.batch import FlowBatch
from spanflow.features.selection import (
    DEFAULT_FEATURES,
    Features,
    UnknownColumnError,
    column_names,
    selected,
)
from spanflow.json_values import json_value
from spanflow.record import Attachment

_NOTHING = Attachment(metrics={}, classifiers={})


class Flow:
    """One Flow Record, whose attributes are the columns of docs/features.md and their aliases.

    >>> from spanflow import FlowStream
    >>> flow = next(iter(FlowStream("config/demo.pcap", enable_ndpi=False)))
    >>> flow.src_ip == flow.source_address == flow.sourceIPv4Address
    True

    It keeps the whole batch that it comes from in memory, about a third of a KiB for each of its flows.
    """

    __slots__ = ("_flows", "_row")

    def __init__(self, flows: FlowBatch, row: int) -> None:
        self._flows = flows
        self._row = row

    def __getattr__(self, name: str) -> Any:
        """The value of a column. Raises AttributeError."""
        if name.startswith("_"):  # no column; and what copies or pickles asks before there is a batch
            raise AttributeError(name)
        try:
            return self._flows.values(name)[self._row]
        except UnknownColumnError as error:
            raise AttributeError(str(error)) from None

    @property
    def metrics(self) -> Mapping[str, Any]:
        """What user metrics have given, by name."""
        return self._attachment.metrics

    @property
    def classifiers(self) -> Mapping[str, Mapping[str, Any]]:
        """What user classifiers have left, by name; `ndpi` is always there."""
        names = {"application_name": self.application or "Unknown", "category_name": self.category}
        return {"ndpi": names} | dict(self._attachment.classifiers)

    def to_dict(self, features: Features = DEFAULT_FEATURES) -> dict[str, Any]:
        """Names and values of the columns that `features` names."""
        names = selected(features, self._flows.batch.columns)
        return {name: self._flows.values(name)[self._row] for name in names}

    @property
    def _attachment(self) -> Attachment:
        attachments = self._flows.batch.attachments
        return attachments[self._row] if attachments else _NOTHING

    def __reduce__(self) -> tuple[type[Flow], tuple[FlowBatch, int]]:
        """Copied, and sent to other processes, without the rest of its batch."""
        return Flow, (self._flows.only(self._row), 0)

    def __str__(self) -> str:
        """One line of JSON."""
        values = {name: json_value(value) for name, value in self.to_dict().items()}
        attachment = self._attachment
        if attachment is not _NOTHING:
            values["metrics"] = json_value(attachment.metrics)
            values["classifiers"] = json_value(self.classifiers)
        return json.dumps(values, default=str, allow_nan=False)

    def __repr__(self) -> str:
        ends = f"{_end(self.src_ip, self.src_port)} > {_end(self.dst_ip, self.dst_port)}"
        return f"<Flow {ends} protocol {self.proto}, {self.pktTotalCount} packets, {self.end_detail}>"

    def __dir__(self) -> Iterator[str]:
        yield from super().__dir__()
        yield from column_names(self._flows.batch.columns)


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
