# SPDX-License-Identifier: Apache-2.0
"""Flows to write: those of all goldens, and some with names that are hard to write."""

from __future__ import annotations

from functools import cache

import numpy as np

from golden import load, names
from metering.native import meter
from spanflow.applications import Application, Applications
from spanflow.details import Detail
from spanflow.features import FlowBatch, Selection, select
from spanflow.features.selection import column_names
from spanflow.record import FIRST_PACKET, RECORD, Array, Batch

APPLICATIONS = Applications(
    engine="test",
    version="1",
    by_number={
        1: Application(1, 0x16000001, "TLS", "Web", "Safe", False),
        2: Application(2, 0x16000002, 'Wi"ld, one', "Web", "Safe", True),
    },
    categories={0: "Unspecified", 5: "Web"},
)

HARD_NAMES = (
    b'a "quoted", name',
    b"two\r\nlines\n",
    b"\xff\xfe not UTF-8 \xc3",
    "zürich.例".encode(),
    b"=1+1",
    b"\\",
)
"""As server names; the meter replaces control characters, other sources of batches may not."""


def everything() -> Selection:
    """Every name of every column."""
    return select(column_names(PLUGINS), PLUGINS)


PLUGINS = {"label": "string", "score": "float64", "hit": "boolean", "level": "signed16"}


@cache
def golden_records() -> Array:
    """Of all goldens, both IP versions."""
    outcomes = [meter([load(name).capture], **load(name).settings) for name in names()]
    return np.concatenate([outcome.records for outcome in outcomes])


def golden_batches() -> list[FlowBatch]:
    """Two batches with all that there can be: details, first packets, applications, columns of plugins."""
    records = golden_records().copy()
    records["application"] = np.arange(len(records)) % 3
    records["master_protocol"] = records["application"] == 2
    records["application_category"] = 5
    records["confidence"] = np.arange(len(records)) % 7
    first, second = records[: len(records) // 2], records[len(records) // 2 :]
    return [_batch(first), _batch(second)]


def _batch(records: Array) -> FlowBatch:
    random = np.random.default_rng(len(records))
    texts = b"".join(_details(HARD_NAMES[row % len(HARD_NAMES)]) for row in range(len(records)))
    ends = np.cumsum([len(_details(HARD_NAMES[row % len(HARD_NAMES)])) for row in range(len(records))])
    records["details_offset"][1:] = ends[:-1]
    records["details_octets"] = np.diff(ends, prepend=0)
    packets = np.zeros((len(records), 3), FIRST_PACKET)
    packets["octets"] = random.integers(20, 1500, packets.shape)
    packets["direction"] = np.where(np.arange(3) < random.integers(0, 4, (len(records), 1)), 1, -1)
    columns = {
        "label": np.array([f"label {row}" for row in range(len(records))], object),
        "score": np.where(np.arange(len(records)) % 2, 0.1, np.nan),
        "hit": np.arange(len(records)) % 2 == 0,
        "level": -np.arange(len(records), dtype=np.int16),
    }
    details = np.frombuffer(texts, np.uint8)
    return FlowBatch(Batch(records, details, packets, columns), APPLICATIONS)


def _details(server_name: bytes) -> bytes:
    return bytes([len(server_name)]) + server_name + bytes(len(Detail) - 1)


def no_flows() -> FlowBatch:
    columns = {name: np.empty(0, object if kind == "string" else "?") for name, kind in PLUGINS.items()}
    columns |= {"score": np.empty(0), "level": np.empty(0, np.int16)}
    return FlowBatch(
        Batch(np.empty(0, RECORD), first_packets=np.empty((0, 3), FIRST_PACKET), columns=columns)
    )
