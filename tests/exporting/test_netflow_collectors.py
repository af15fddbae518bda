# SPDX-License-Identifier: Apache-2.0
"""nfcapd, nfacctd and tshark read our NetFlow, versions 9 and 5: Flows, times, sampling, names are ours."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from exporting.classified_flows import APPLICATIONS, CLASSIFIED_IPV4, CLASSIFIED_IPV6, cut
from exporting.clocks import SECOND_NS
from exporting.flow_batches import START_NS, Values, batch_of
from exporting.netflow_export import (
    Interfaces,
    announced,
    capture,
    demo_batches,
    halves,
    in_order,
    messages_of,
    send,
)
from exporting.running_collector import TIMEOUT_S, collector_running, free_port, send_to, wait_for
from spanflow.exporting.interface import Session
from spanflow.exporting.netflow5 import Netflow5Session
from spanflow.exporting.netflow9 import Netflow9Session
from spanflow.exporting.options import EVERY_PACKET, Sampling
from spanflow.exporting.profiles import GENERIC_APPLICATION
from spanflow.record import Batch

DOMAIN = 7
TIMES = ("flowStartMilliseconds", "flowEndMilliseconds")
NOW = START_NS + 10 * SECOND_NS
LATE = START_NS + 4000 * 86_400 * SECOND_NS
ONE_OF_100 = Sampling(1, 99)


def session_of(version: int, *, sampling: Sampling = EVERY_PACKET, offline: bool = False) -> Session:
    if version == 5:
        return Netflow5Session(
            observation_domain_id=DOMAIN, max_message_octets=1400, sampling=sampling, offline=offline
        )
    return Netflow9Session(
        GENERIC_APPLICATION.templates(biflow=False),
        observation_domain_id=DOMAIN,
        max_message_octets=1400,
        sampling=sampling,
        applications=APPLICATIONS,
        facts=Interfaces(),
        offline=offline,
    )


def made_batches(version: int) -> list[Batch]:
    batches = [batch_of(*CLASSIFIED_IPV4), batch_of(*CLASSIFIED_IPV6)]
    return batches[:1] if version == 5 else batches


def export(session: Session, batches: Sequence[Batch], now_ns: int) -> list[bytes]:
    exportable = [batch for batch in batches if session.exportable(batch)]
    return announced(session, now_ns) + messages_of(session, exportable, now_ns)


def without(rows: Sequence[Values], *names: str) -> list[Values]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


def split(rows: Sequence[Values]) -> list[Values]:
    """As version 5 has to send them: here one half has 5 x 2^32 octets, in six parts."""
    parts: list[Values] = []
    for row in rows:
        count = max(1, -(-row["octetDeltaCount"] // ((1 << 32) - 1)))
        for number in range(count):
            counters = {
                name: row[name] // count + (number < row[name] % count)
                for name in ("packetDeltaCount", "octetDeltaCount")
            }
            parts.append(row | counters)
    return parts


def expected(version: int, batches: Sequence[Batch]) -> list[Values]:
    rows = [row for row in halves(batches) if version == 9 or row["version"] == 4]
    return without(split(rows), "vlanId", "applicationId") if version == 5 else rows


# nfdump


def nfdump(*arguments: str) -> str:
    done = subprocess.run(
        ["nfdump", *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    return done.stdout


def nfcapd(
    tmp_path: Path, messages: Sequence[bytes], sending: Callable[[int, Sequence[bytes]], None] = send
) -> tuple[list[dict[str, str]], str]:
    """Flows as `nfdump -o raw` shows them, by its labels; and what it says about the exporter."""
    port = free_port()
    command = ["nfcapd", "-b", "127.0.0.1", "-p", str(port), "-w", str(tmp_path), "-t", "3600"]
    with collector_running(command, port) as said:
        sending(port, messages)
    (file,) = tmp_path.glob("nfcapd.2*")
    shown = [
        {
            key.strip(): value.strip()
            for key, _, value in (line.partition("=") for line in record.splitlines())
        }
        for record in nfdump("-q", "-r", str(file), "-o", "raw").split("Flow Record:")[1:]
    ]
    assert not [line for line in said if "rror:" in line or "extra bytes" in line]
    return shown, nfdump("-E", str(file))


def of_nfdump(shown: dict[str, str], version: int) -> Values:
    def number(label: str) -> int:
        return int(shown.get(label, "0").split()[0])

    values: Values = {
        "version": 6 if ":" in shown["src addr"] else 4,
        "source": shown["src addr"],
        "destination": shown["dst addr"],
        "protocolIdentifier": number("proto"),
        "sourceTransportPort": number("src port"),
        "destinationTransportPort": number("dst port"),
        "packetDeltaCount": number("in packets"),
        "octetDeltaCount": number("in bytes"),
        "flowStartMilliseconds": number("first"),
        "flowEndMilliseconds": number("last"),
        "ingressInterface": number("input"),
        "tcpControlBits": int(shown["tcp flags"].split()[0], 16),
        "ipClassOfService": number("src tos"),
    }
    if "ICMP" in shown:
        kind, code = shown["ICMP"].split()[0].split(".")
        values["destinationTransportPort"] = 256 * int(kind) + int(code)
    if version == 9:
        values["vlanId"] = number("src vlan")
        engine, _, selector = shown.get("app ID", "0..0:").split(":")[0].partition("..")
        values["applicationId"] = int(engine) << 24 | int(selector)
    return values


@pytest.mark.parametrize("version", [5, 9])
def test_nfdump_shows_every_flow(version: int, tmp_path: Path) -> None:
    session = session_of(version)
    shown, exporter = nfcapd(tmp_path, export(session, made_batches(version), NOW))
    rows = [of_nfdump(record, version) for record in shown]
    # nfdump shows no TOS of ICMP.
    wanted = [
        row | ({"ipClassOfService": 0} if row["protocolIdentifier"] in (1, 58) else {})
        for row in expected(version, made_batches(version))
    ]
    assert in_order(rows) == in_order(wanted)
    assert f"version: {version}, ID:  {DOMAIN}, Sequence failures: 0" in exporter
    # An event is what a firewall reports. In version 9 1:1 is a sampling to nfdump, in version 5 it is none.
    assert {record["Flags"].split(maxsplit=1)[1] for record in shown} == {
        {5: "NETFLOW v5, Unsampled", 9: "NETFLOW v9, Sampled"}[version]
    }
    if version == 9:
        interfaces = {record["input"] for record in shown}
        assert interfaces == {"3 uplink", "4 eth4"}
        names = {record["app ID"].split(": ")[1].split("/")[0] for record in shown if "app ID" in record}
        known = {each.application: "" for flow in CLASSIFIED_IPV4 for each in [flow.classified]}
        assert names - {"<no info>"} == {
            cut(APPLICATIONS.by_number[number].name, 23) for number in known if number
        }


@pytest.mark.parametrize("version", [5, 9])
def test_nfdump_shows_the_demo_capture(version: int, tmp_path: Path) -> None:
    """Of some other year: the times are those of its packets."""
    batches = demo_batches()
    shown, exporter = nfcapd(tmp_path, export(session_of(version, offline=True), batches, LATE))
    rows = [of_nfdump(record, version) for record in shown]
    wanted = expected(version, batches)
    assert len(wanted) == {5: 88, 9: 124}[version]
    ignored = "ipClassOfService"
    assert in_order(without(rows, ignored)) == in_order(without(wanted, ignored))
    assert "Sequence failures: 0" in exporter


@pytest.mark.parametrize("version", [5, 9])
def test_nfdump_shows_what_the_exporting_process_sends(version: int, tmp_path: Path) -> None:
    """With Templates in several copies, as over UDP; and no gap in the sequence numbers."""

    def sending(port: int, _: Sequence[bytes]) -> None:
        flows = [CLASSIFIED_IPV4, CLASSIFIED_IPV6]
        send_to(
            port,
            *(flows if version == 9 else flows[:1]),
            applications=APPLICATIONS,
            protocol=f"netflow{version}",
        )

    shown, exporter = nfcapd(tmp_path, [], sending)
    rows = [of_nfdump(record, version) for record in shown]
    ignored = "ipClassOfService"
    wanted = expected(version, made_batches(version))
    assert in_order(without(rows, ignored)) == in_order(without(wanted, ignored))
    assert f"version: {version}, ID:  {DOMAIN}, Sequence failures: 0" in exporter


@pytest.mark.parametrize("version", [5, 9])
def test_nfdump_scales_by_the_sampling(version: int, tmp_path: Path) -> None:
    session = session_of(version, sampling=ONE_OF_100)
    batches = [batch_of(*CLASSIFIED_IPV4[1:4])]
    shown, _ = nfcapd(tmp_path, export(session, batches, NOW))
    packets = [of_nfdump(record, version)["packetDeltaCount"] for record in shown]
    assert sorted(packets) == sorted(100 * row["packetDeltaCount"] for row in halves(batches))
    assert all(record["Flags"].endswith(" Sampled") for record in shown)


def test_nfdump_takes_the_absolute_times_of_an_old_flow(tmp_path: Path) -> None:
    """Live, years later: relative times cannot tell it."""
    batches = made_batches(9)
    shown, _ = nfcapd(tmp_path, export(session_of(9), batches, LATE))
    rows = [of_nfdump(record, 9) for record in shown]
    found, wanted = (
        sorted(tuple(row[name] for name in TIMES) for row in each) for each in (rows, halves(batches))
    )
    assert found == wanted


# nfacctd

CONFIGURATION = """
daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: {port}
nfacctd_renormalize: true
print_num_protos: true
timestamps_since_epoch: true
plugins: print[all]
aggregate[all]: src_host,dst_host,src_port,dst_port,proto,tos,tcpflags,vlan,in_iface,timestamp_start,\
timestamp_end,sampling_rate
print_output[all]: json
print_output_file[all]: {output}
print_output_file_append[all]: true
print_refresh_time[all]: 1
"""


def nfacctd(tmp_path: Path, messages: Sequence[bytes], packets: int) -> list[Values]:
    """What nfacctd prints, as soon as it has printed so many packets."""
    port, output = free_port(), tmp_path / "flows.json"
    configuration = tmp_path / "nfacctd.conf"
    configuration.write_text(CONFIGURATION.format(port=port, output=output))

    def printed() -> list[Values]:
        text = output.read_text() if output.exists() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    # What it receives before its plugin is at work may never be printed.
    with collector_running(["nfacctd", "-f", str(configuration)], port, says="Purging cache - END"):
        send(port, messages)
        wait_for(lambda: sum(row["packets"] for row in printed()) >= packets, "nfacctd to print")
    return printed()


def of_nfacctd(printed: Values) -> Values:
    return {
        "source": printed["ip_src"],
        "destination": printed["ip_dst"],
        "protocolIdentifier": int(printed["ip_proto"]),
        "sourceTransportPort": printed["port_src"],
        "destinationTransportPort": printed["port_dst"],
        "packetDeltaCount": printed["packets"],
        "octetDeltaCount": printed["bytes"],
        "ingressInterface": printed["iface_in"],
        "tcpControlBits": int(printed["tcp_flags"]),
        "ipClassOfService": printed["tos"],
        "vlanId": printed["vlan"],
    }


def added_up(rows: Iterable[Values]) -> list[Values]:
    """Rows of the same Flow as one: the parts of a half may have been printed at different times."""
    sums: dict[tuple[object, ...], Values] = {}
    for row in rows:
        key = tuple(value for name, value in row.items() if not name.endswith("DeltaCount"))
        known = sums.setdefault(key, row | {"packetDeltaCount": 0, "octetDeltaCount": 0})
        for name in ("packetDeltaCount", "octetDeltaCount"):
            known[name] += row[name]
    return list(sums.values())


@pytest.mark.parametrize("version", [5, 9])
def test_nfacctd_shows_every_flow(version: int, tmp_path: Path) -> None:
    """Multiplied by the sampling; times to the second. It adds up the parts of a half."""
    batches = made_batches(version)
    wanted = [row for row in halves(batches) if version == 9 or row["version"] == 4]
    messages = export(session_of(version, sampling=ONE_OF_100), batches, NOW)
    for row in wanted:
        row["packetDeltaCount"] *= 100
        row["octetDeltaCount"] *= 100
        if version == 5:
            row["vlanId"] = 0
            if row["protocolIdentifier"] == 132:  # of SCTP it shows no ports then
                row["sourceTransportPort"] = row["destinationTransportPort"] = 0
    printed = nfacctd(tmp_path, messages, sum(row["packetDeltaCount"] for row in wanted))
    rows = added_up(of_nfacctd(row) for row in printed)
    assert in_order(rows) == in_order(without(wanted, "version", "applicationId", *TIMES))
    # What it has multiplied with is no longer sampled.
    assert {row["sampling_rate"] for row in printed} == {1}
    for label, name in (
        ("timestamp_start", "flowStartMilliseconds"),
        ("timestamp_end", "flowEndMilliseconds"),
    ):
        by_source = {row["source"]: row[name] for row in wanted}
        for row in printed:
            assert -1000 < float(row[label]) * 1000 - by_source[row["ip_src"]] < 1000


# tshark

TSHARK = {
    "cflow.protocol": "protocolIdentifier",
    "cflow.srcport": "sourceTransportPort",
    "cflow.dstport": "destinationTransportPort",
    "cflow.packets": "packetDeltaCount",
    "cflow.octets": "octetDeltaCount",
    "cflow.inputint": "ingressInterface",
    "cflow.tcpflags": "tcpControlBits",
    "cflow.tos": "ipClassOfService",
    "cflow.vlanid": "vlanId",
}
ADDRESSES = {
    "cflow.srcaddr": "source",
    "cflow.dstaddr": "destination",
    "cflow.srcaddrv6": "source",
    "cflow.dstaddrv6": "destination",
}
PORT = 2055


def tshark(tmp_path: Path, messages: Sequence[bytes]) -> ET.Element:
    path = tmp_path / "export.pcap"
    capture(path, messages, PORT)
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-d", f"udp.port=={PORT},cflow", "-T", "pdml"],
        capture_output=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    for complaint in (b"alformed", b"No template found", b"_ws.expert"):
        assert complaint not in done.stdout
    return ET.fromstring(done.stdout)


def of_tshark(packet: ET.Element) -> list[Values]:
    """The Flows of one Message, with times as its header has them."""

    def header(name: str) -> int:
        field = packet.find(f".//field[@name='cflow.{name}']")
        return 0 if field is None else int(field.get("value", ""), 16)

    nanoseconds = header("unix_secs") * SECOND_NS + header("unix_nsecs")
    start_ms = nanoseconds // 1_000_000 - header("sysuptime")
    return [
        of_record(node, start_ms)
        for node in packet.iter("field")
        if node.get("show", "").startswith(("Flow ", "pdu "))
        and node.find(".//field[@name='cflow.packets']") is not None
    ]


def of_record(node: ET.Element, start_ms: int) -> Values:
    values: Values = {}
    for field in node.iter("field"):
        name = field.get("name", "")
        if name in ADDRESSES:
            values[ADDRESSES[name]] = field.get("show")
        elif name in TSHARK:
            values[TSHARK[name]] = int(field.get("value", ""), 16)
        elif name in ("cflow.timestart", "cflow.timeend"):
            which = TIMES[name == "cflow.timeend"]
            values[which] = start_ms + int(field.get("value", ""), 16)
    for which, name in zip(TIMES, ("cflow.abstimestart", "cflow.abstimeend"), strict=True):
        absolute = node.find(f".//field[@name='{name}']")
        assert absolute is None or int(absolute.get("value", ""), 16) == values[which]
    return values


@pytest.mark.parametrize("version", [5, 9])
def test_tshark_shows_every_flow(version: int, tmp_path: Path) -> None:
    batches = made_batches(version)
    root = tshark(tmp_path, export(session_of(version), batches, NOW))
    rows = [row for packet in root.iter("packet") for row in of_tshark(packet)]
    wanted = without(expected(version, batches), "version", "applicationId")
    assert in_order(rows) == in_order(wanted)


def test_tshark_shows_the_options(tmp_path: Path) -> None:
    """Sampling in both forms, interfaces, applications."""
    root = tshark(tmp_path, announced(session_of(9, sampling=ONE_OF_100), NOW))

    def shown(name: str) -> list[str]:
        return [node.get("show", "") for node in root.iter("field") if node.get("name") == f"cflow.{name}"]

    assert shown("sampling_interval") == ["100"]
    assert shown("sampler_random_interval") == ["100"]
    assert shown("if_name") == ["eth3", "eth4"]
    assert shown("if_descr") == ["uplink", "eth4"]
    assert shown("appl_name") == [
        cut(each.name, 23)
        for each in sorted(APPLICATIONS.by_number.values(), key=lambda each: each.application_id)
    ]


def test_tshark_shows_the_sampling_of_version_5(tmp_path: Path) -> None:
    batches = made_batches(5)
    root = tshark(tmp_path, export(session_of(5, sampling=ONE_OF_100), batches, NOW))
    fields = {
        node.get("name"): int(node.get("show", ""))
        for node in root.iter("field")
        if "cflow.sampl" in node.get("name", "")
    }
    assert fields == {"cflow.samplingmode": 1, "cflow.samplerate": 100}
