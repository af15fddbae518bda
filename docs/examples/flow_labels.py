# SPDX-License-Identifier: Apache-2.0
"""Two per-flow plugins, as docs/plugins.md explains them: a function, and a class with options and memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from spanflow import FlowBatch, flow_plugin

MOST_SOURCES = 65_536


@flow_plugin(columns={"octets_per_second": "float64", "is_bulk": "boolean"})
def rates(flows: FlowBatch) -> Mapping[str, npt.ArrayLike]:
    """How fast each flow was; bulk is more than 1 MB at more than 1 MB/s."""
    octets, seconds = flows["octet_count"], flows["duration_ns"] / 1e9
    rate = np.divide(octets, seconds, out=np.zeros(len(flows)), where=seconds > 0)
    return {"octets_per_second": rate, "is_bulk": (octets > 1e6) & (rate > 1e6)}


@flow_plugin(columns={"is_scan": "boolean", "label": "string"})
class FlowLabels:
    """Labels flows; a scan is a flow without an answer from a source that had `threshold` of them before.

    It counts for as long as it lives, and forgets everything when it has seen too many sources.
    """

    def __init__(self, threshold: int = 100, prefix: str = "") -> None:
        if threshold < 1:
            raise ValueError("threshold is below 1")
        self.threshold = threshold
        self.prefix = prefix
        self.unanswered: Counter[bytes] = Counter()

    def __call__(self, flows: FlowBatch) -> Mapping[str, npt.ArrayLike]:
        is_scan = np.zeros(len(flows), bool)
        sources = flows.records["source_address"]
        for row in np.flatnonzero(flows["reverse_packet_delta_count"] == 0).tolist():
            source = sources[row].tobytes()
            is_scan[row] = self.unanswered[source] >= self.threshold
            self.unanswered[source] += 1
        if len(self.unanswered) > MOST_SOURCES:
            self.unanswered.clear()
        label = np.where(flows["protocol_identifier"] == 17, "datagrams", "other").astype(object)
        label[flows["protocol_identifier"] == 6] = "connection"
        label[is_scan] = "scan"
        return {"is_scan": is_scan, "label": self.prefix + label}
