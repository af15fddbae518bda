# SPDX-License-Identifier: Apache-2.0
"""tshark dissects what we send: every octet of every Data Record has the name and the value that we meant."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path

import dpkt
import pytest

from exporting.classified_flows import (
    DOMAIN,
    SAMPLING,
    application_of,
    applications_told,
    records_of,
    rich_of,
    whole_export,
)
from exporting.flow_batches import IPV4_FLOWS, IPV6_FLOWS, Flow, Values, batch_of, biflow_of, uniflows_of
from exporting.plain_ipfix import OUR_PEN, OURS
from spanflow.exporting.profiles import GENERIC, GENERIC_APPLICATION, RICH, RICH_FIXED, Profile
from spanflow.exporting.session import IpfixSession

NOW = 1_800_000_000 * 10**9
PORT = 4739
RAW_IP = 101

ELEMENTS = {
    "cflow.srcaddr": "sourceIPv4Address",
    "cflow.dstaddr": "destinationIPv4Address",
    "cflow.srcaddrv6": "sourceIPv6Address",
    "cflow.dstaddrv6": "destinationIPv6Address",
    "cflow.srcport": "sourceTransportPort",
    "cflow.dstport": "destinationTransportPort",
    "cflow.protocol": "protocolIdentifier",
    "cflow.octets": "octetDeltaCount",
    "cflow.packets": "packetDeltaCount",
    "cflow.abstimestart": "flowStartMilliseconds",
    "cflow.abstimeend": "flowEndMilliseconds",
    "cflow.inputint": "ingressInterface",
    "cflow.outputint": "egressInterface",
    "cflow.direction": "flowDirection",
    "cflow.tcpflags": "tcpControlBits",
    "cflow.flow_end_reason": "flowEndReason",
    "cflow.tos": "ipClassOfService",
    "cflow.ip_version": "ipVersion",
    "cflow.vlanid": "vlanId",
    "cflow.srcmac": "sourceMacAddress",
    "cflow.dstmac": "destinationMacAddress",
    "cflow.icmp_type_code_ipv4": "icmpTypeCodeIPv4",
    "cflow.icmp_ipv6_type": "icmpTypeCodeIPv6",
    "cflow.icmp_ipv6_code": "icmpTypeCodeIPv6",
    "cflow.ttl_min": "minimumTTL",
    "cflow.ttl_max": "maximumTTL",
    "cflow.flow_id": "flowId",
    "cflow.biflow_direction": "biflowDirection",
    "cflow.selector_id": "selectorId",
    "cflow.selector_algorithm": "selectorAlgorithm",
    "cflow.sampling_packet_interval": "samplingPacketInterval",
    "cflow.sampling_packet_space": "samplingPacketSpace",
    "cflow.od_id": "observationDomainId",
    "cflow.appl_id.classification_engine_id": "applicationId",
    "cflow.appl_id.selector_id": "applicationId",
    "cflow.appl_name": "applicationName",
    "cflow.appl_desc": "applicationDescription",
    "cflow.application_category_name": "applicationCategoryName",
    "cflow.application_sub_category_name": "applicationSubCategoryName",
    "cflow.http_user_agent": "httpUserAgent",
    "cflow.http_request_target": "httpRequestTarget",
    "cflow.private_enterprise_number": "privateEnterpriseNumber",
    "cflow.information_element_id": "informationElementId",
    "cflow.information_element_name": "informationElementName",
}
STRINGS = {
    *("applicationName", "applicationDescription", "applicationCategoryName", "applicationSubCategoryName"),
    *("httpUserAgent", "httpRequestTarget", "informationElementName"),
    *("serverName", "ja3Client", "ja3Server", "ja4Client", "alpn", "dnsAnswer"),
}
OWN = re.compile(r"Enterprise Private entry: \(Example Enterprise Number for Documentation Use\) Type (\d+):")
"""What it shows of our elements, which it does not know: number and octets."""


def generic_export(*, biflow: bool) -> list[bytes]:
    """The Messages of a session without classification."""
    session = IpfixSession(GENERIC.templates(biflow=biflow), observation_domain_id=7, max_message_octets=1400)
    messages = session.template_messages(NOW) + [each.octets for each in session.options_messages(NOW)]
    for flows in (IPV4_FLOWS, IPV6_FLOWS):
        for rows in session.rows(batch_of(*flows)):
            messages += [bytes(run.octets) for run in session.messages(rows, NOW).runs]
    return messages


def capture(path: Path, messages: Sequence[bytes]) -> None:
    """Write a capture of Messages: each in a UDP datagram over IPv4."""
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=RAW_IP)
        for message in messages:
            datagram = dpkt.udp.UDP(sport=50000, dport=PORT, data=message, ulen=8 + len(message))
            packet = dpkt.ip.IP(src=b"\x7f\0\0\1", dst=b"\x7f\0\0\1", p=17, data=datagram)
            packet.len = 28 + len(message)
            writer.writepkt(bytes(packet), ts=NOW // 10**9)


def dissected(path: Path) -> tuple[list[Values], str]:
    """Every Data Record by our element names; and all of tshark's text."""
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-d", f"udp.port=={PORT},cflow", "-T", "pdml"],
        capture_output=True,
        timeout=120,
        check=True,
    )
    nodes = ET.fromstring(done.stdout).iter("field")
    records = [record_of(node) for node in nodes if node.get("show", "").startswith("Flow ")]
    return records, done.stdout.decode()


def record_of(node: ET.Element) -> Values:
    values: Values = {}
    for field in node.iter("field"):
        name = field.get("name", "")
        if own := OWN.match(field.get("showname", "")):
            element = OURS[int(own[1])]
            values[element] = value_of(element, field)
            continue
        if name not in ELEMENTS or field.get("value") is None:
            continue
        element = ELEMENTS[name]
        if is_reverse(field, node, values):
            element = reverse(element)
        if element.endswith("Address"):
            values[element] = field.get("show")
        elif name == "cflow.appl_id.selector_id":  # engine and selector are two nodes
            values[element] = values[element] << 24 | int(field.get("value", ""), 16)
        elif name == "cflow.icmp_ipv6_code":  # type and code are two nodes
            values[element] = 256 * values[element] + int(field.get("value", ""), 16)
        else:
            assert element not in values
            values[element] = value_of(element, field)
    return values


def value_of(element: str, field: ET.Element) -> int | str:
    octets = bytes.fromhex(field.get("value", ""))
    return octets.rstrip(b"\0").decode() if element in STRINGS else int.from_bytes(octets, "big")


def is_reverse(field: ET.Element, record: ET.Element, before: Values) -> bool:
    """tshark marks reverse elements, but not reverse times and ICMPv6 types: of two, those come first."""
    if "(Reverse Type" in field.get("showname", ""):
        return True
    name = field.get("name", "")
    of_two = len(record.findall(f".//field[@name='{name}']")) == 2
    if name == "cflow.icmp_ipv6_code":
        return of_two and ELEMENTS[name] not in before
    return of_two and reverse(ELEMENTS[name]) not in before


def reverse(element: str) -> str:
    return "reverse" + element[0].upper() + element[1:]


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
def test_tshark_shows_every_element(biflow: bool, tmp_path: Path) -> None:
    path = tmp_path / "export.pcap"
    capture(path, generic_export(biflow=biflow))
    records, text = dissected(path)
    expected: list[Values] = [SAMPLING]
    for flows in (IPV4_FLOWS, IPV6_FLOWS):
        for flow in sorted(flows, key=lambda flow: flow.is_icmp):
            expected += [biflow_of(flow)] if biflow else uniflows_of(flow)
    assert records == expected
    assert_no_complaint(text)


def assert_no_complaint(text: str) -> None:
    for complaint in ("malformed", "Malformed", "No template found", "_ws.expert"):
        assert complaint not in text


@pytest.mark.parametrize("biflow", [False, True], ids=["uniflow", "biflow"])
@pytest.mark.parametrize(
    ("profile", "added"),
    [
        (GENERIC_APPLICATION, application_of),
        (RICH, rich_of),
        (RICH_FIXED, lambda flow: rich_of(flow, fixed=True)),
    ],
    ids=["generic", "rich variable", "rich fixed"],
)
def test_tshark_shows_applications(
    profile: Profile, added: Callable[[Flow], Values], biflow: bool, tmp_path: Path
) -> None:
    path = tmp_path / "export.pcap"
    capture(path, whole_export(profile, biflow=biflow))
    records, text = dissected(path)
    elements = [
        {"privateEnterpriseNumber": OUR_PEN, "informationElementId": number, "informationElementName": name}
        for number, name in (OURS.items() if profile is not GENERIC_APPLICATION else ())
    ]
    expected = [SAMPLING, *applications_told(DOMAIN), *elements]
    expected += records_of(biflow=biflow, added=added)
    assert [with_text(values) for values in records] == [with_text(values) for values in expected]
    assert "ntop nDPI (22)" in text
    assert_no_complaint(text)


def with_text(values: Values) -> Values:
    """Without empty strings: those of variable length are not shown."""
    return {name: value for name, value in values.items() if value != ""}
