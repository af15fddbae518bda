# SPDX-License-Identifier: Apache-2.0
"""What user metrics have given becomes columns of the type that they say."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest

from golden.regenerate import DEMO
from spanflow import FlowStream
from spanflow.record import RECORD, Attachment, Batch
from spanflow.stream.metric_columns import metric_columns, with_metrics
from spanflow.stream.run import MetricWarning


def _int(packet: Any, flow: Any) -> int:
    return 1


def _bool_or_none(packet: Any, flow: Any) -> bool | None:
    return None


def _optional_text(packet: Any, flow: Any) -> Optional[str]:  # noqa: UP045
    return None


def _union(packet: Any, flow: Any) -> int | str:
    return 1


def _unknown(packet: Any, flow: Any) -> "Nowhere":  # type: ignore[name-defined] # noqa: F821, UP037
    return 1


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        (_int, "signed64"),
        (_bool_or_none, "boolean"),
        (_optional_text, "string"),
        (_union, "float64"),
        (_unknown, "float64"),
        (lambda packet, flow: 1, "float64"),
        (max, "float64"),
    ],
)
def test_types(metric: Callable[..., Any], kind: str) -> None:
    assert metric_columns({"m": metric}) == {"metrics.m": kind}


class Hostile:
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __bool__ = __str__  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("signed64", 7, 7),
        ("signed64", np.uint8(7), 7),
        ("signed64", 7.9, 7),
        ("signed64", 2**63, 0),
        ("signed64", "7", 0),
        ("signed64", None, 0),
        ("float64", True, 1.0),
        ("boolean", [], False),
        ("boolean", Hostile(), False),
        ("string", 5, "5"),
        ("string", None, ""),
        ("string", Hostile(), ""),
    ],
)
def test_values(kind: str, value: Any, expected: Any) -> None:
    batch = Batch(np.zeros(1, RECORD), attachments=[Attachment({"m": value}, {})])
    found, _ = with_metrics(batch, {"metrics.m": kind})
    assert found.columns["metrics.m"].tolist() == [expected]


def test_what_is_no_number_is_told_once() -> None:
    def service(packet: Any, flow: Any):  # type: ignore[no-untyped-def]
        return "web" if flow.dst_port == 443 else 0.5

    stream = FlowStream(DEMO, enable_ndpi=False, user_metrics={"service": service})
    with pytest.warns(MetricWarning, match=r"^metrics\.service: 'web' is no float64, .* `-> str`$") as warned:
        frame = stream.to_pandas(["dst_port", "metrics.service"])
    assert len(warned) == 1
    assert {math.isnan(value) for value in frame["metrics.service"][frame["dst_port"] == 443]} == {True}
    assert set(frame["metrics.service"][frame["dst_port"] != 443]) == {0.5}
