# SPDX-License-Identifier: Apache-2.0
"""nfcapd receives what we send, and nfdump shows it: every field that it has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from exporting.classified_flows import APPLICATIONS, CLASSIFIED_IPV4, CLASSIFIED_IPV6, records_of, rich_of
from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, Flow, Values, biflow_of, uniflows_of
from exporting.netflow_export import Interfaces
from exporting.running_collector import TIMEOUT_S, collector_running, free_port, send_to
from spanflow.exporting.facts import ObservedInterface

Shown = dict[str, str]


def collected(tmp_path: Path, *, biflow: bool) -> tuple[list[Shown], str]:
    """All Flows as `nfdump -o raw` shows them, by its labels; and what it says about the exporter."""
    port = free_port()
    command = ["nfcapd", "-b", "127.0.0.1", "-p", str(port), "-w", str(tmp_path), "-t", "3600"]
    with collector_running(command, port):
        send_to(port, IPV4_FLOWS, IPV6_FLOWS, biflow=biflow)
    (file,) = tmp_path.glob("nfcapd.2*")
    return raw(file), nfdump("-E", str(file))


def raw(file: Path) -> list[Shown]:
    records = nfdump("-q", "-r", str(file), "-o", "raw").split("Flow Record:")[1:]
    return [
        {
            key.strip(): value.strip()
            for key, _, value in (line.partition("=") for line in record.splitlines())
        }
        for record in records
    ]


def nfdump(*arguments: str) -> str:
    done = subprocess.run(
        ["nfdump", *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    return done.stdout


def label(shown: Shown) -> Values:
    """What nfdump shows, by our element names."""
    values: Values = {
        "flowStartMilliseconds": first_number(shown["first"]),
        "flowEndMilliseconds": first_number(shown["last"]),
        "protocolIdentifier": first_number(shown["proto"]),
        "tcpControlBits": int(shown["tcp flags"].split()[0], 16),
        "packetDeltaCount": first_number(shown["in packets"]),
        "octetDeltaCount": first_number(shown["in bytes"]),
        "source": shown["src addr"],
        "destination": shown["dst addr"],
        "ingressInterface": first_number(shown["input"]),
        "egressInterface": first_number(shown["output"]),
        "flowDirection": first_number(shown["direction"]),
        "biflowDirection": int(shown["biFlow Dir"].split()[0], 16),
        "flowEndReason": int(shown["end reason"].split()[0], 16),
        "sourceMacAddress": shown["in src mac"],
        "destinationMacAddress": shown["in dst mac"],
    }
    if "ICMP" in shown:
        icmp_type, icmp_code = shown["ICMP"].split()[0].split(".")
        values["icmp"] = 256 * int(icmp_type) + int(icmp_code)
    else:
        values["ports"] = (first_number(shown["src port"]), first_number(shown["dst port"]))
        values["ipClassOfService"] = first_number(shown["src tos"])
    # It leaves out what is zero.
    values["vlanId"] = first_number(shown.get("src vlan", "0"))
    values["reverseOctetDeltaCount"] = first_number(shown.get("out bytes", "0"))
    values["reversePacketDeltaCount"] = first_number(shown.get("out packets", "0"))
    return values


def first_number(text: str) -> int:
    return int(text.split()[0])


def expected(values: Values) -> Values:
    """What nfdump has to show for one of our Data Records."""
    version = values["ipVersion"]
    same = (
        "flowStartMilliseconds",
        "flowEndMilliseconds",
        "protocolIdentifier",
        "packetDeltaCount",
        "octetDeltaCount",
        "ingressInterface",
        "egressInterface",
        "flowDirection",
        "biflowDirection",
        "flowEndReason",
        "sourceMacAddress",
        "destinationMacAddress",
        "vlanId",
    )
    shown: dict[str, Any] = {name: values[name] for name in same}
    shown["tcpControlBits"] = values["tcpControlBits"] & 0xFF  # it keeps the eight flags of old
    shown["source"] = values[f"sourceIPv{version}Address"]
    shown["destination"] = values[f"destinationIPv{version}Address"]
    if f"icmpTypeCodeIPv{version}" in values:
        shown["icmp"] = values[f"icmpTypeCodeIPv{version}"]
    else:
        shown["ports"] = (values["sourceTransportPort"], values["destinationTransportPort"])
        shown["ipClassOfService"] = values["ipClassOfService"]
    for name in ("reverseOctetDeltaCount", "reversePacketDeltaCount"):
        shown[name] = values.get(name, 0)
    return shown


def sent_in_order(biflow: bool) -> list[Values]:
    flows: list[Flow] = []
    for batch in (IPV4_FLOWS, IPV6_FLOWS):
        flows += sorted(batch, key=lambda flow: flow.is_icmp)
    if biflow:
        return [biflow_of(flow) for flow in flows]
    return [values for flow in flows for values in uniflows_of(flow)]


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
def test_nfdump_shows_every_field(biflow: bool, tmp_path: Path) -> None:
    shown, exporter = collected(tmp_path, biflow=biflow)
    records = sent_in_order(biflow)
    assert [label(record) for record in shown] == [expected(values) for values in records]
    # 1:1 as we announced it, the domain that we set, and no gap in the sequence numbers.
    assert all("Unsampled" in record["Flags"] for record in shown)
    assert "version: 10, ID:  7, Sequence failures: 0" in exporter
    assert f"flows: {len(records)}" in exporter


def shown_id(application_id: int) -> str:
    """Engine, two dots, selector. Version 1.7.1 reads the four octets of IPFIX in the machine's own order."""
    octets = application_id.to_bytes(4, sys.byteorder)
    return f"{octets[0]}..{int.from_bytes(octets[1:], 'big')}"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"biflow": True},
        {"profile": "rich"},
        {"profile": "rich", "biflow": True},
        {"profile": "rich", "strings": "fixed"},
    ],
    ids=str,
)
def test_nfdump_shows_the_application(options: dict[str, Any], tmp_path: Path) -> None:
    """The id, and every other field as before. Its lookup of names fails by the order of the octets."""
    port = free_port()
    command = ["nfcapd", "-b", "127.0.0.1", "-p", str(port), "-w", str(tmp_path), "-t", "3600"]
    with collector_running(command, port) as said:
        send_to(port, CLASSIFIED_IPV4, CLASSIFIED_IPV6, applications=APPLICATIONS, **options)
    (file,) = tmp_path.glob("nfcapd.2*")
    shown = nfdump("-q", "-r", str(file), "-o", "fmt:%sap %dap %pkt %byt %nbid %nbnam", "-N")
    records = records_of(biflow=options.get("biflow", False), added=rich_of)
    rows = [line.split() for line in shown.splitlines()]
    assert [row[2:5] for row in rows] == [
        [
            str(values["packetDeltaCount"]),
            str(values["octetDeltaCount"]),
            shown_id(values["applicationId"]),
        ]
        for values in records
    ]
    assert {" ".join(row[5:]) for row in rows} == {"<no info>"}
    assert "Sequence failures: 0" in nfdump("-E", str(file))
    # What it makes of the options: nothing that it complains about.
    complaints = [line for line in said if "nbar" in line or "extra bytes" in line or "rror:" in line]
    assert complaints == []


class NamedInterfaces(Interfaces):
    """Those of the Flows."""

    def interfaces(self) -> Sequence[ObservedInterface]:
        return tuple(ObservedInterface(each, f"eth{each}", f"port {each}") for each in INTERFACES)


INTERFACES = sorted(
    {half.interface for flow in CLASSIFIED_IPV4 + CLASSIFIED_IPV6 for half in (flow.forward, flow.reverse)}
    - {0}
)


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
def test_its_own_profile(biflow: bool, tmp_path: Path) -> None:
    """Names of interfaces, both MAC addresses as one pair, and of the responder no more than it can read."""
    port = free_port()
    command = ["nfcapd", "-b", "127.0.0.1", "-p", str(port), "-w", str(tmp_path), "-t", "3600"]
    with collector_running(command, port) as said:
        send_to(
            port,
            CLASSIFIED_IPV4,
            CLASSIFIED_IPV6,
            applications=APPLICATIONS,
            facts=NamedInterfaces(),
            profile="nfdump",
            biflow=biflow,
        )
    (file,) = tmp_path.glob("nfcapd.2*")
    shown = raw(file)
    records = records_of(biflow=biflow, added=lambda flow: {})
    assert [record["input"] for record in shown] == [
        f"{number} eth{number}" for number in (values["ingressInterface"] for values in records)
    ]
    assert all(record["in dst mac"] == "00:00:00:00:00:00" for record in shown)
    paired = [record | {"in dst mac": record["out dst mac"]} for record in shown]
    assert [label(record) for record in paired] == [expected(values) for values in records]
    # It has learned that the rate is 1.
    assert all(record["Flags"].endswith(" Sampled") for record in shown)
    complaints = [line for line in said if "rror:" in line or "extra bytes" in line]
    assert complaints == []
