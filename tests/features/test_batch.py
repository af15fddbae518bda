# SPDX-License-Identifier: Apache-2.0
"""A FlowBatch: both IP versions, all kinds of columns, first packets, columns of plugins."""

from __future__ import annotations

import gc
import weakref
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from craft.capture import Capture
from craft.conversation import Pair, play
from golden import load, names
from metering.native import meter
from spanflow.errors import ConfigError
from spanflow.features import FlowBatch
from spanflow.features.column import in_seconds
from spanflow.features.selection import column_names
from spanflow.record import FIRST_PACKET, RECORD, Batch


def mixed() -> FlowBatch:
    """Batches of the meter have one IP version; a caller may join them."""
    records = meter([load("link_qinq").capture]).records
    assert sorted(set(records["ip_version"])) == [4, 6]
    return FlowBatch(Batch(records))


def test_both_ip_versions_in_one_batch() -> None:
    flows = mixed()
    rows = zip(
        *(
            flows.values(name)
            for name in ("ip_version", "src_ip", "sourceIPv4Address", "sourceIPv6Address", "ip_src")
        ),
        strict=True,
    )
    assert sorted(rows) == [
        (4, "192.0.2.1", "192.0.2.1", None, 0xC0000201),
        (6, "2001:db8::1", None, "2001:db8::1", 0x20010DB8 << 96 | 1),
    ]


@pytest.mark.parametrize("name", names())
def test_every_column_of_every_golden_has_a_value_for_each_flow(name: str) -> None:
    golden = load(name)
    for batch in meter([golden.capture], **golden.settings).batches:
        flows = FlowBatch(batch)
        for column in column_names():
            if column.startswith("first_packet"):
                continue
            values = flows.values(column)
            assert len(values) == len(flows) == len(flows[column])
            assert flows[column].tolist() == values


def test_no_flows() -> None:
    flows = FlowBatch(Batch(np.empty(0, RECORD), first_packets=np.empty((0, 4), FIRST_PACKET)))
    assert {len(flows[name]) for name in column_names()} == {0}
    assert [flows.values(name) for name in column_names()] == [[]] * len(column_names())


def test_first_packets(tmp_path: Path) -> None:
    """28 + 72, 28 + 272, 28 + 172 octets; the third comes 0.75 s after the second."""
    capture = play(Capture(), "0 > udp 72", "0.25 < udp 272", "1 > udp 172")
    path = tmp_path / "two.pcap"
    path.write_bytes(play(capture, "2 < udp 72", pair=Pair(client_port=1)).pcap())
    (batch,) = meter([path], first_packets=2).batches
    flows = FlowBatch(batch)
    order = np.argsort(flows["packet_count"])[::-1].tolist()
    for name, expected in {
        "first_packet_lengths": [[100, 300], [100]],
        "first_packet_directions": [[0, 1], [0]],
        "first_packet_gaps_ns": [[0, 250_000_000], [0]],
    }.items():
        values = flows.values(name)
        assert [values[row] for row in order] == expected
        assert flows[name].shape == (2, 2)
    assert flows["first_packet_directions"][order[1]].tolist() == [0, -1]


def test_first_packets_that_nobody_kept() -> None:
    with pytest.raises(ConfigError, match="'first_packet_lengths': the first packets were not kept"):
        mixed()["first_packet_lengths"]


def test_columns_of_plugins() -> None:
    records = meter([load("link_qinq").capture]).records
    label = np.array(["a", "b"], object)
    flows = FlowBatch(Batch(records, columns={"label": label, "hit": np.array([True, False])}))
    assert np.shares_memory(flows["label"], label)
    assert flows.values("hit") == [True, False]
    assert list(flows.to_dict(("statistics", "src_ip")))[-1:] == ["src_ip"]
    assert list(flows.to_dict("statistics"))[-2:] == ["label", "hit"]


@pytest.mark.parametrize("name", ["octet_count", "packet_length_mean", "flowStart", "continuation", "label"])
def test_a_column_cannot_be_changed(name: str) -> None:
    """Others are computed from it, in tables and for the plugins that come later."""
    label = np.array([1.0, 2.0])
    flows = FlowBatch(Batch(mixed().records, columns={"label": label}))
    with pytest.raises(ValueError, match="read-only"):
        flows[name][0] = 0
    label[0] = 3.0  # of the caller, who may


def test_times_before_1970() -> None:
    """A direction without packets has times of 0, which are no times."""
    records = mixed().records.copy()
    records["forward"]["first_ns"], records["forward"]["last_ns"] = -7, -5
    records["forward"]["packet_delta_count"], records["reverse"]["packet_delta_count"] = 2, [0, 1]
    records["reverse"]["first_ns"], records["reverse"]["last_ns"] = [0, -9], [0, -9]
    flows = FlowBatch(Batch(records))
    assert flows.values("start_ns") == [-7, -9]
    assert flows.values("end_ns") == [-5, -5]
    assert flows.values("duration_ns") == [2, 4]


def test_seconds_are_the_nearest_float64() -> None:
    nanoseconds = [1_392_909_952, 4_928_010_000, -1, 1_700_000_000_123_456_789, (1 << 53) - 1, 1 << 53]
    found = in_seconds(np.array(nanoseconds, np.int64)).tolist()
    assert found == [float(Fraction(each, 10**9)) for each in nanoseconds]


def test_a_column_is_computed_once() -> None:
    flows = mixed()
    assert flows["packet_length_stddev"] is flows.column("packet_length_stddev")
    assert flows.values("src_ip") is flows.values("src_ip")


def test_the_memory_of_a_batch_goes_with_its_last_reference() -> None:
    """Not when Python looks for cycles: until then it would hold native memory."""
    flows = mixed()
    for features in ("core", "statistics", "classic"):
        flows.to_dict(features)
    flows.values("src_ip")
    gone = weakref.ref(flows.records)
    gc.disable()
    try:
        del flows
        assert gone() is None
    finally:
        gc.enable()
