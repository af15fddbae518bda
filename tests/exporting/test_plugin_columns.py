# SPDX-License-Identifier: Apache-2.0
"""Columns of plugins in Data Records: our strict collector and tshark read what the plugin has said."""

from __future__ import annotations

import math
import re
import struct
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import dpkt
import numpy as np
import pytest

from exporting.classified_flows import APPLICATIONS, CLASSIFIED_IPV4, CLASSIFIED_IPV6
from exporting.flow_batches import IPV4_FLOWS, Flow, batch_of, biflow_of, some_flows, uniflows_of
from spanflow.collecting.process import CollectingProcess
from spanflow.config.plugin_settings import FIRST_ELEMENT
from spanflow.config.schema import Collector, Settings
from spanflow.exporting.encode import BatchEncoder
from spanflow.exporting.exporters import Exporters
from spanflow.exporting.plugin_columns import PluginColumn, as_sent
from spanflow.exporting.profiles import GENERIC, GENERIC_APPLICATION, RICH, RICH_FIXED, Profile
from spanflow.exporting.session import IpfixSession
from spanflow.exporting.template_ids import FIRST_HASHED, TemplateId, id_with_columns, with_offset
from spanflow.fields import FIELDS
from spanflow.information_elements import ENTERPRISE_NUMBER
from spanflow.plugins.declaration import COLUMN_TYPES
from spanflow.record import Batch

NOW = 1_800_000_000 * 10**9
WRITTEN = (GENERIC, GENERIC_APPLICATION, RICH, RICH_FIXED)
"""Profiles with written ids."""
PEN = 65_001
EXTREMES: dict[str, tuple[Any, Any]] = {
    "unsigned8": (0, 255),
    "unsigned16": (1, 65_535),
    "unsigned32": (2, 2**32 - 1),
    "unsigned64": (3, 2**64 - 1),
    "signed8": (-128, 127),
    "signed16": (-32_768, 32_767),
    "signed32": (-(2**31), 2**31 - 1),
    "signed64": (-(2**63), 2**63 - 1),
    "float64": (-0.1, 1e300),
    "boolean": (True, False),
    "string": ("", "ein längerer Text"),
}
COLUMNS = tuple(
    PluginColumn(f"p_{kind}", 1000 + number, kind, 12, "labels:label") for number, kind in enumerate(EXTREMES)
)


def with_columns(batch: Batch) -> Batch:
    """Record n has the first value where n is even, the second where it is odd."""
    odd = np.arange(len(batch)) % 2
    columns = {
        f"p_{kind}": np.array(values, COLUMN_TYPES[kind].dtype)[odd] for kind, values in EXTREMES.items()
    }
    return replace(batch, columns=columns)


def expected_columns(number: int) -> dict[str, Any]:
    values = {f"p_{kind}": values[number % 2] for kind, values in EXTREMES.items()}
    # 12 octets, one of them NUL, and no half of the umlaut.
    return values | {"p_string": "ein länger" if number % 2 else ""}


def messages(profile: Profile, *, biflow: bool, flows: tuple[tuple[Flow, ...], ...]) -> list[bytes]:
    sender = IpfixSession(
        profile.templates(biflow=biflow, enterprise_number=PEN, columns=COLUMNS),
        observation_domain_id=7,
        max_message_octets=1400,
        applications=APPLICATIONS,
        enterprise_number=PEN,
        columns=COLUMNS,
    )
    found = sender.template_messages(NOW) + [each.octets for each in sender.options_messages(NOW)]
    found += [each.octets for each in sender.table_messages(NOW)]
    for each in flows:
        for rows in sender.rows(as_sent(with_columns(batch_of(*each)), COLUMNS)):
            for run in sender.messages(rows, NOW).runs:
                octets = bytes(run.octets)
                found += [
                    octets[at : at + run.message_octets] for at in range(0, len(octets), run.message_octets)
                ]
    return found


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
@pytest.mark.parametrize("profile", WRITTEN, ids=["generic", "application", "rich", "rich fixed"])
def test_our_collector_reads_them_by_name(profile: Profile, biflow: bool) -> None:
    collector = CollectingProcess()
    found: dict[int, list[dict[str, Any]]] = {}
    for message in messages(profile, biflow=biflow, flows=(CLASSIFIED_IPV4, CLASSIFIED_IPV6)):
        _, decoded = collector.receive(message, "probe")
        for data in decoded.data_sets:
            for record in data.records:
                values = data.template.by_name(record)
                if "flowId" in values:
                    found.setdefault(values["flowId"], []).append(dict(values))
    assert not collector.counters.discarded.total()
    for flows in (CLASSIFIED_IPV4, CLASSIFIED_IPV6):
        for number, flow in enumerate(flows):
            halves = [biflow_of(flow)] if biflow else uniflows_of(flow)
            assert len(found[flow.flow_id]) == len(halves)
            for values in found[flow.flow_id]:
                columns = {name: value for name, value in values.items() if name.startswith("p_")}
                assert columns == expected_columns(number)
                # Also what comes before and behind them is where it was.
                assert values["protocolIdentifier"] == flow.protocol
                if profile is RICH:
                    assert values["serverName"] == flow.classified.texts.get("server_name", "")


def test_null_values_are_sent_as_such() -> None:
    batch = replace(batch_of(IPV4_FLOWS[0]), columns={"p_float64": np.array([math.nan])})
    encoder = BatchEncoder(RICH.templates(biflow=True, columns=[COLUMNS[8]]))
    (rows,) = encoder.rows(as_sent(batch, [COLUMNS[8]]))
    sent = bytes(rows.records.tobytes())
    assert math.isnan(np.frombuffer(sent[-8:], ">f8")[0])


def test_the_types_are_announced() -> None:
    """RFC 5610; a collector gets no description of an element that it does not get."""
    collector = CollectingProcess()
    announced = {}
    for message in messages(WRITTEN[0], biflow=False, flows=()):
        _, decoded = collector.receive(message, "probe")
        for data in decoded.data_sets:
            for values in map(data.template.by_name, data.records):
                if "informationElementName" in values:
                    announced[values["informationElementName"]] = values
    assert list(announced) == [column.name for column in COLUMNS]
    values = announced["p_signed16"]
    assert values["privateEnterpriseNumber"] == PEN
    assert values["informationElementId"] == 1005
    assert values["informationElementDataType"] == 6  # signed16, RFC 5610 section 3.1
    assert values["informationElementDescription"] == "Column of the plugin labels:label."


def test_template_ids_mean_one_thing() -> None:
    sets: list[tuple[PluginColumn, ...]] = [
        COLUMNS,
        COLUMNS[:1],
        COLUMNS[1:2],
        COLUMNS[:2],
        COLUMNS[1::-1],
        (replace(COLUMNS[10], width=13),),
        (replace(COLUMNS[10], number=1000),),
        (replace(COLUMNS[10], type="boolean"),),
    ]
    ids = [
        template.template_id
        for profile, biflow, columns in product(WRITTEN, (False, True), sets)
        for template in profile.templates(biflow=biflow, columns=columns).values()
    ]
    assert len(ids) == len(set(ids)) == len(WRITTEN) * 2 * len(sets) * 4
    assert not set(ids) & set(map(int, TemplateId))
    assert all(FIRST_HASHED <= each <= 65_535 for each in ids)
    other_pen = WRITTEN[0].templates(biflow=False, columns=COLUMNS, enterprise_number=PEN)
    assert not {template.template_id for template in other_pen.values()} & set(ids)


def test_an_id_is_the_same_after_every_start() -> None:
    assert id_with_columns(COLUMNS[:1], TemplateId.GENERIC, 32473) == 25408
    last = with_offset(TemplateId.RICH_FIXED, (6, True), biflow=True)
    assert (last, id_with_columns(COLUMNS[:1], last, 32473)) == (315, 25467)


def test_numbers_of_plugins_are_not_ours() -> None:
    assert (
        max(field.element.number for field in FIELDS if field.element.pen == ENTERPRISE_NUMBER)
        < FIRST_ELEMENT
    )


def test_every_data_record_template_fits_into_its_block() -> None:
    data = [
        template.template_id
        for profile, biflow in product(WRITTEN, (False, True))
        for template in profile.templates(biflow=biflow).values()
    ]
    assert all(256 <= each < 256 + 64 for each in data)


def test_without_plugins_nothing_changes() -> None:
    batch = some_flows(5)
    assert as_sent(batch, ()) is batch
    for profile, biflow in product(WRITTEN, (False, True)):
        templates = profile.templates(biflow=biflow)
        assert all(each.template_id < FIRST_HASHED for each in templates.values())
        ours = [element for each in templates.values() for element in each.elements if element.number >= 1000]
        assert ours == []


def test_collectors_get_one_copy_of_the_exported_columns_alone() -> None:
    exporters = Exporters(
        Settings(collectors=(Collector(host="192.0.2.1", port=1), Collector(host="192.0.2.1", port=2))),
        columns=COLUMNS[9:],
    )
    offered: list[Batch] = []
    for process in exporters.processes:
        process.offer = lambda batch, wait_s=0.0: offered.append(batch) or True  # type: ignore[method-assign, func-returns-value]
    exporters.offer(with_columns(some_flows(2)))
    exporters.stop()
    assert list(offered[0].columns) == ["p_boolean", "p_string"]
    assert offered[0].columns["p_boolean"].tolist() == [1, 2]
    assert offered[0].columns["p_string"].nbytes == 24
    assert offered[1] is offered[0]


def test_text_that_is_no_utf8_is_sent_all_the_same() -> None:
    column = PluginColumn("label", 1000, "string", 8)
    batch = replace(some_flows(2), columns={"label": np.array(["a\ud800b", "\0x"], object)})
    assert as_sent(batch, [column]).columns["label"].tobytes() == b"a?b\0\0\0\0\0\0x\0\0\0\0\0\0"


def test_tshark_reads_them(tmp_path: Path) -> None:
    """It does not know these elements, and shows the octets of each by its number."""
    path = tmp_path / "export.pcap"
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=101)
        for message in messages(RICH, biflow=True, flows=(CLASSIFIED_IPV4,)):
            datagram = dpkt.udp.UDP(sport=50000, dport=4739, data=message, ulen=8 + len(message))
            packet = dpkt.ip.IP(src=b"\x7f\0\0\1", dst=b"\x7f\0\0\1", p=17, data=datagram)
            packet.len = 28 + len(message)
            writer.writepkt(bytes(packet), ts=NOW // 10**9)
    # By itself it does not read templates of more than 60 elements.
    options = ["-d", "udp.port==4739,cflow", "-o", "cflow.max_template_fields:100"]
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-T", "pdml", *options],
        capture_output=True,
        timeout=120,
        check=True,
    )
    shown: dict[int, set[str]] = {}
    for node in ET.fromstring(done.stdout).iter("field"):
        number = re.search(r"Type (\d+):", node.get("showname", ""))
        if number and node.get("value") and int(number[1]) >= 1000:
            shown.setdefault(int(number[1]), set()).add(node.get("value", ""))
    assert sorted(shown) == [column.number for column in COLUMNS]
    assert shown[1003] == {"0000000000000003", "ffffffffffffffff"}
    assert shown[1004] == {"80", "7f"}
    assert shown[1008] == {struct.pack(">d", value).hex() for value in EXTREMES["float64"]}
    assert shown[1009] == {"01", "02"}
    assert shown[1010] == {"00" * 12, "ein länger".encode().hex() + "00"}
    text = done.stdout.decode()
    assert "Malformed" not in text
    assert "_ws.expert" not in text
