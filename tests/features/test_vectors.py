# SPDX-License-Identifier: Apache-2.0
"""The columns of hand-made captures have the values that were worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from features.vectors import VECTORS, Vector
from metering.native import meter
from spanflow.features import FlowBatch


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vector(vector: Vector, tmp_path: Path) -> None:
    path = tmp_path / "vector.pcap"
    path.write_bytes(vector.capture.pcap())
    (batch,) = meter([path]).batches
    flows = FlowBatch(batch)
    found = {name: flows.values(name)[0] for name in vector.expected}
    # Deviations of gaps: the engine's sum of squares is good to 1e-6 (semantics 6.5), and here much better.
    close = {
        name: pytest.approx(value, rel=1e-9, abs=0) if isinstance(value, float) else value
        for name, value in vector.expected.items()
    }
    assert found == close
    assert len(flows) == 1
    for name, value in found.items():
        (item,) = flows[name].tolist()
        assert item == value
        assert type(item) is type(value)
        assert isinstance(flows[name], np.ndarray)
