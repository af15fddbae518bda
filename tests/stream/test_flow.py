# SPDX-License-Identifier: Apache-2.0
"""A Flow reads what it is asked for from its batch."""

from __future__ import annotations

import copy
import json
import math
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from golden.regenerate import DEMO
from spanflow import Flow, FlowBatch, FlowStream
from spanflow.plugins.declaration import FLOW_ATTRIBUTES
from spanflow.record import Attachment


@pytest.fixture(scope="module")
def flow() -> Flow:
    flows = list(FlowStream(DEMO, enable_ndpi=False))
    return next(flow for flow in flows if flow.protocol_identifier == 6 and flow.ip_version == 4)


def test_names_of_the_field_table_and_of_old_are_the_same_values(flow: Flow) -> None:
    assert flow.src_ip == flow.source_address == flow.sourceIPv4Address
    assert flow.sourceIPv6Address is None
    assert flow.dst_port == flow.destination_transport_port == flow.destinationTransportPort
    assert flow.f_pktTotalCount == flow.src_to_dst_pkts == flow.packetDeltaCount
    assert flow.b_octetTotalCount == flow.dst_to_src_bytes == flow.reverseOctetDeltaCount
    assert flow.flowStart == flow.start_time == flow.start_ns / 1e9
    assert flow.pktTotalCount == flow.f_pktTotalCount + flow.b_pktTotalCount


def test_unknown_names_are_attribute_errors(flow: Flow) -> None:
    with pytest.raises(AttributeError, match="did you mean src_port"):
        _ = flow.src_prt
    assert not hasattr(flow, "_nothing")
    assert copy.copy(flow).src_ip == flow.src_ip


def test_texts(flow: Flow) -> None:
    line = str(flow)
    assert "\n" not in line
    assert json.loads(line) == flow.to_dict()
    assert repr(flow).startswith(f"<Flow {flow.src_ip}:{flow.src_port} > ")


def test_texts_have_whatever_plugins_leave(flow: Flow) -> None:
    left = Attachment(
        metrics={"rate": math.nan, "sizes": np.arange(2), "n": np.int64(3), "by": {(1, 2): [math.inf]}},
        classifiers={"mine": {"who": b"x"}},
    )
    attached = Flow(FlowBatch(replace(flow._flows.batch, attachments=[left] * len(flow._flows))), 0)
    found = json.loads(str(attached))
    assert found["metrics"] == {"rate": None, "sizes": [0, 1], "n": 3, "by": {"(1, 2)": [None]}}
    assert found["classifiers"]["mine"] == {"who": "b'x'"}


def test_what_is_no_column_is_no_column_of_a_plugin(flow: Flow) -> None:
    public = {name for name in vars(Flow) if not name.startswith("_")}
    assert public == set(FLOW_ATTRIBUTES)


def test_dict_of_a_selection(flow: Flow) -> None:
    assert len(flow.to_dict("classic")) == 48
    assert flow.to_dict(["src_ip", "octetDeltaCount"]) == {
        "src_ip": flow.src_ip,
        "octetDeltaCount": flow.octetDeltaCount,
    }


def test_it_lists_its_attributes(flow: Flow) -> None:
    names = set(dir(flow))
    assert {"src_ip", "octetDeltaCount", "packet_length_mean", "to_dict", "classifiers"} <= names


def test_without_plugins_there_is_still_the_application(flow: Flow) -> None:
    assert flow.metrics == {}
    assert flow.classifiers == {"ndpi": {"application_name": "Unknown", "category_name": flow.category}}


def test_it_can_be_sent_to_another_process() -> None:
    arguments: dict[str, Any] = {"cache_first_packets": 3, "user_metrics": {"one": lambda packet, flow: 1}}
    for flow in FlowStream(DEMO, **arguments):
        octets = pickle.dumps(flow)
        copied = pickle.loads(octets)
        everything = ("core", "statistics", "packets", "classic")
        assert copied.to_dict(everything) == flow.to_dict(everything)
        assert (copied.metrics, copied.classifiers) == (flow.metrics, flow.classifiers)
        assert len(octets) < 64 * 1024
