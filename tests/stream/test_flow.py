# SPDX-License-Identifier: Apache-2.0
"""A Flow reads what it is asked for from its batch."""

from __future__ import annotations

import copy
import json

import pytest

from golden.regenerate import DEMO
from spanflow import Flow, FlowStream


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
