# SPDX-License-Identifier: Apache-2.0
"""Records as they are handed over: rows of dtype RECORD in batches of one IP version."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spanflow.record import DIRECTION, FIRST_PACKET, RECORD, Attachment, Batch
from spanflow.reference.detection import NOTHING_FOUND
from spanflow.reference.flows import Flow
from spanflow.reference.tally import Tally, content_of_record

ROWS = 1024
_NO_PACKET = (0, 0, -1)


class _Layout:
    """Packs the members of a struct of the native module: what numpy would do one member at a time."""

    def __init__(self, dtype: np.dtype[np.void]) -> None:
        fields = dict(dtype.fields or {})
        self.names = sorted(dtype.names or (), key=lambda name: fields[name][1])
        text, at = "<", 0
        for name in self.names:
            kind, offset = fields[name][:2]
            code = f"{kind.itemsize}s" if kind.shape or kind.names else kind.char
            text += "x" * (offset - at) + {"l": "q", "L": "Q"}.get(code, code)
            at = offset + kind.itemsize
        self._struct = struct.Struct(text + "x" * (dtype.itemsize - at))

    def pack(self, members: Mapping[str, Any]) -> bytes:
        return self._struct.pack(*[members[name] for name in self.names])


_DIRECTION, _RECORD = _Layout(DIRECTION), _Layout(RECORD)


def row_of(members: Mapping[str, Any]) -> bytes:
    """The octets of one record. members: all of RECORD, both directions as mappings."""
    halves = {half: _DIRECTION.pack(members[half]) for half in ("forward", "reverse")}
    return _RECORD.pack({**members, **halves})


class BatchWriter:
    """Collects records; take() gives the batches that are full, or all.

    first_packets: how many of them a record carries. attached: whether plugins leave something with each.
    """

    def __init__(self, first_packets: int, *, attached: bool) -> None:
        self._first_packets, self._attached = first_packets, attached
        self._open: dict[int, _OpenBatch] = {}
        self._full: list[Batch] = []
        self.waiting = Tally()  # what was sent here and has not been handed over

    @property
    def has_full(self) -> bool:
        """Whether take() would give something."""
        return bool(self._full)

    def send(self, flow: Flow, members: Mapping[str, Any]) -> None:
        self.waiting.add(content_of_record(members))
        version = flow.flow_key.ip_version
        batch = self._open.setdefault(version, _OpenBatch())
        batch.add(flow, members, self._first_packets, attached=self._attached)
        if len(batch.rows) == ROWS:
            self._full.append(self._open.pop(version).close(self._first_packets))

    def take(self, *, everything: bool = False) -> Sequence[Batch]:
        if everything:
            self._full += [batch.close(self._first_packets) for batch in self._open.values()]
            self._open.clear()
        taken, self._full = self._full, []
        return taken


class _OpenBatch:
    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self._details = bytearray()
        self._packets: list[tuple[int, int, int]] = []
        self._attachments: list[Attachment] = []

    def add(self, flow: Flow, members: Mapping[str, Any], first_packets: int, *, attached: bool) -> None:
        found = flow.classification
        details = found.details if found else b""
        classified = {
            **(found.members if found else NOTHING_FOUND),
            "details_offset": len(self._details) if found else 0,
            "details_octets": len(details),
        }
        self.rows.append(row_of({**members, **classified}))
        self._details += details
        if flow.record:
            missing = first_packets - len(flow.record.first_packets)
            self._packets += [*flow.record.first_packets, *[_NO_PACKET] * missing]
        if attached:
            classifiers = _copied(flow.classifiers, {})
            classifiers = {name: _copied(values, values) for name, values in classifiers.items()}
            self._attachments.append(Attachment(_copied(flow.metrics, {}), classifiers))

    def close(self, first_packets: int) -> Batch:
        packets = None
        if first_packets:
            packets = np.array(self._packets, FIRST_PACKET).reshape(-1, first_packets)
        return Batch(
            np.frombuffer(b"".join(self.rows), RECORD),
            np.frombuffer(bytes(self._details), np.uint8),
            packets,
            attachments=self._attachments,
        )


def _copied(values: Any, instead: Any) -> Any:
    """What plugins have left in a dict; `instead` where they have put something else in its place."""
    return dict(values) if isinstance(values, Mapping) else instead
