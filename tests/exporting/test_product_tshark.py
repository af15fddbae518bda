# SPDX-License-Identifier: Apache-2.0
"""tshark 4.0 dissects what leaves an ExportingProcess: every profile, NetFlow, and IPFIX Files."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from exporting.classified_flows import APPLICATIONS, cut
from exporting.flow_batches import Values, batch_of
from exporting.netflow_export import halves, in_order
from exporting.product_export import BATCHES, CHOSEN, INTERFACES, export, sent
from exporting.test_netflow_collectors import of_tshark, split, tshark, without
from exporting.test_tshark import assert_no_complaint, capture, dissected
from spanflow.exporting.options_choice import Table
from spanflow.exporting.profiles import PRODUCTS

WITH_NAMES = {Table.INTERFACES, Table.CISCO_INTERFACES, Table.INTERFACE_NAMES}
NOT_COMPARED = {"destinationMacAddress"}
"""Some profiles have it in 57 instead, for which `dissected` has no name."""


@pytest.fixture
def receiver() -> socket.socket:
    """A socket with room for all that one export sends."""
    receiving = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    receiving.bind(("127.0.0.1", 0))
    receiving.setblocking(False)
    return receiving


def messages_to(receiver: socket.socket, url: str) -> list[bytes]:
    """The Messages that a collector of this URL (without host and port) gets."""
    export(url.format(f"127.0.0.1:{receiver.getsockname()[1]}"), until_read=False)
    messages = []
    with receiver:
        while True:
            try:
                messages.append(receiver.recv(65_536))
            except BlockingIOError:
                return messages


def shown(path: Path) -> tuple[list[Values], str]:
    """The Data Records that describe Flows, and the whole text."""
    records, text = dissected(path)
    assert_no_complaint(text)
    return [record for record in records if "octetDeltaCount" in record], text


def common(records: Sequence[Values], wanted: Sequence[Values]) -> tuple[list[Values], list[Values]]:
    """Both with the elements that both have: a profile has some of those of `generic`."""
    names = set().union(*records) & set().union(*wanted) - NOT_COMPARED
    return tuple(
        in_order([{name: each[name] for name in sorted(names & each.keys())} for each in rows])
        for rows in (records, wanted)
    )


def texts(text: str, field: str) -> list[str]:
    return re.findall(rf'<field name="{field}"[^>]* show="([^"]*)"', text)


@pytest.mark.parametrize("profile", PRODUCTS)
def test_every_profile(profile: str, tmp_path: Path, receiver: socket.socket) -> None:
    """Both directions of each Flow, with the application; names of interfaces, if the product reads them."""
    path = tmp_path / "export.pcap"
    capture(path, messages_to(receiver, f"ipfix+udp://{{}}?profile={profile}"))
    records, text = shown(path)
    flags = 0xFF if profile == "pmacct" else 0xFFFF  # it gets one octet
    told = [
        each | {"tcpControlBits": each["tcpControlBits"] & flags}
        for each in sent(biflow=PRODUCTS[profile].biflow)
    ]
    found, wanted = common(records, told)
    assert found == wanted
    assert {"octetDeltaCount", "packetDeltaCount", "flowStartMilliseconds", "flowEndMilliseconds"} <= set(
        found[0]
    )
    assert any("applicationId" in each for each in found) == (profile != "silk")
    if not PRODUCTS[profile].options.tables.isdisjoint(WITH_NAMES):
        named = [{name, description} for name, description in INTERFACES.values()]
        assert set(texts(text, "cflow.if_name") + texts(text, "cflow.if_descr")) <= set().union(*named)
        assert texts(text, "cflow.if_name") or texts(text, "cflow.if_descr")


def test_elements_of_ones_choice(tmp_path: Path, receiver: socket.socket) -> None:
    """These and no others, in this order."""
    path = tmp_path / "export.pcap"
    capture(path, messages_to(receiver, f"ipfix+udp://{{}}?elements={CHOSEN}"))
    records, _ = shown(path)
    chosen = CHOSEN.split(",")
    assert [list(record) for record in records] == [
        [name for name in chosen if name in record] for record in records
    ]
    wanted = [{name: each[name] for name in chosen if name in each} for each in sent()]
    assert in_order(records) == in_order(wanted)


def test_added_and_removed_elements(tmp_path: Path, receiver: socket.socket) -> None:
    path = tmp_path / "export.pcap"
    options = "add=samplingInterval&remove=sourceMacAddress,flowId"
    capture(path, messages_to(receiver, f"ipfix+udp://{{}}?{options}"))
    records, text = shown(path)
    found, wanted = common(records, sent())
    assert found == wanted
    assert not [record for record in records if {"sourceMacAddress", "flowId"} & record.keys()]
    assert texts(text, "cflow.sampling_interval") == ["1"] * len(records)


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_file(compression: str, biflow: bool, tmp_path: Path) -> None:
    """It stands for itself: Templates, sampling, names, and the Flows."""
    url = f"ipfix+file://{tmp_path}/flows.ipfix?profile=rich&compression={compression}"
    export(url + ("&biflow=true" if biflow else ""))
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("flows.ipfix")
    records, text = shown(path)
    found, wanted = common(records, sent(biflow=biflow))
    assert found == wanted
    assert texts(text, "cflow.if_name") == [name for name, _ in INTERFACES.values()]
    assert texts(text, "cflow.sampling_packet_interval") == ["1"]
    assert texts(text, "cflow.sampling_packet_space") == ["0"]
    names = {cut(each.name, 23) for each in APPLICATIONS.by_number.values()}
    assert names <= set(texts(text, "cflow.appl_name"))


@pytest.mark.parametrize("version", [5, 9])
def test_netflow(version: int, tmp_path: Path, receiver: socket.socket) -> None:
    root = tshark(tmp_path, messages_to(receiver, f"netflow{version}://{{}}?dscp=8"))
    rows = [row for packet in root.iter("packet") for row in of_tshark(packet)]
    wanted = halves(batch_of(*flows) for flows in BATCHES)
    if version == 5:
        wanted = without(split([row for row in wanted if row["version"] == 4]), "vlanId")
    assert in_order(rows) == in_order(without(wanted, "version", "applicationId"))
    named = [node.get("show") for node in root.iter("field") if node.get("name") == "cflow.if_descr"]
    assert named == ([description for _, description in INTERFACES.values()] if version == 9 else [])
