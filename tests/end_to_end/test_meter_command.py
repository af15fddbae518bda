# SPDX-License-Identifier: Apache-2.0
"""`spanflow meter` from files to collectors: what arrives is what the reference says; the sums add up."""

from __future__ import annotations

import fcntl
import gzip
import os
import shutil
import signal
import struct
import subprocess
import termios
from pathlib import Path
from typing import Any

import pytest

import reference
from end_to_end.command import DEMO, GOLDEN, SPANFLOW, json_collector, shown, spanflow
from exporting.running_collector import free_port, wait_for
from metering.native import SECOND

OPTIONS: dict[str, Any] = {
    "active_timeout": 60 * SECOND,
    "inactive_timeout": 15 * SECOND,
    "tcp_linger": 2 * SECOND,
    "tcp_fin_timeout": 0,
    "reorder_window": 10 * SECOND,
}


def text(address: bytes) -> str:
    import ipaddress

    mapped = ipaddress.IPv6Address(address).ipv4_mapped
    return str(mapped or ipaddress.IPv6Address(address))


def expected_uniflows() -> list[tuple[Any, ...]]:
    """What a collector has to get for the demo capture, as tuples that sort."""
    rows = []
    for record in reference.meter([DEMO], **OPTIONS).records:
        source, destination = text(record["source_address"]), text(record["destination_address"])
        ports = record["source_transport_port"], record["destination_transport_port"]
        for half, ends, both_ports in (
            (record["forward"], (source, destination), ports),
            (record["reverse"], (destination, source), ports[::-1]),
        ):
            if half["packet_delta_count"]:
                icmp = record["protocol_identifier"] in (1, 58)
                rows.append(
                    (
                        *ends,
                        both_ports[0],
                        half["icmp_type_code"] if icmp else both_ports[1],
                        record["protocol_identifier"],
                        half["packet_delta_count"],
                        half["octet_delta_count"],
                        half["tcp_control_bits"],
                        half["vlan_id"],
                        record["flow_end_reason"],
                        half["ingress_interface"],
                        half["minimum_ttl"],
                    )
                )
    return sorted(rows)


def uniflows(records: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    rows = []
    for record in records:
        version = record["ipVersion"]
        rows.append(
            (
                record[f"sourceIPv{version}Address"],
                record[f"destinationIPv{version}Address"],
                record["sourceTransportPort"],
                record["destinationTransportPort"],
                record["protocolIdentifier"],
                record["packetDeltaCount"],
                record["octetDeltaCount"],
                record["tcpControlBits"],
                record["vlanId"],
                record["flowEndReason"],
                record["ingressInterface"],
                record["minimumTTL"],
            )
        )
    return sorted(rows)


def test_the_collector_gets_what_the_reference_says() -> None:
    with json_collector() as collector:
        done = spanflow("meter", DEMO, "--collector", collector.url)
        records = collector.records()
    assert done.returncode == 0, done.stderr
    assert uniflows(records) == expected_uniflows()
    assert shown(done.stdout)["conservation"] == "exact"
    summary = shown(collector.summary)
    assert (summary["sequence gaps"], summary["errors"]) == ("0", "0")


def test_several_collectors_each_with_its_own_options() -> None:
    with json_collector() as uniflow, json_collector("[::1]:0") as biflow:
        done = spanflow(
            "meter", DEMO, "--collector", uniflow.url, "--collector", f"{biflow.url}?biflow=true&domain=7"
        )
        one_way, both_ways = uniflow.records(), biflow.records()
    assert done.returncode == 0, done.stderr
    assert uniflows(one_way) == expected_uniflows()
    assert {record["_domain"] for record in both_ways} == {7}
    total = sum(record["packetDeltaCount"] for record in one_way)
    forward = sum(record["packetDeltaCount"] for record in both_ways)
    assert forward + sum(record.get("reversePacketDeltaCount", 0) for record in both_ways) == total


def test_one_that_is_away_disturbs_nobody() -> None:
    with json_collector() as collector:
        done = spanflow(
            "meter",
            DEMO,
            "--collector",
            collector.url,
            "--collector",
            "ipfix+udp://no-such-host.invalid?name=away",
            "--collector",
            f"ipfix+udp://127.0.0.1:{free_port()}?name=deaf",
            "--set",
            "export.drain_timeout=2s",
        )
        records = collector.records()
    assert uniflows(records) == expected_uniflows()
    assert done.returncode == 69
    summary = shown(done.stdout)
    assert summary["sent to away"] == "0"
    assert summary["dropped, unresolved"] == summary["flow records"]
    assert int(summary["refused"]) > 0
    assert summary["conservation"] == "exact"


def test_without_a_collector_a_table() -> None:
    done = spanflow("meter", DEMO)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert "source" in lines[0]
    flows = [line for line in lines if "→" in line]
    assert len(flows) == int(shown(done.stderr)["flow records"])


def test_a_pipe_and_several_files_are_one_input() -> None:
    piped = spanflow("meter", "-", stdin=DEMO.open("rb"))
    assert piped.returncode == 0
    assert piped.stdout == spanflow("meter", DEMO).stdout
    both = spanflow("meter", GOLDEN / "rst.pcap", GOLDEN / "link_sll.pcap")
    one, two = spanflow("meter", GOLDEN / "rst.pcap"), spanflow("meter", GOLDEN / "link_sll.pcap")
    received = [int(shown(done.stderr)["packets received"]) for done in (one, two, both)]
    assert received[0] + received[1] == received[2]


def test_settings_change_what_comes_out() -> None:
    """The idle timeout off: the DNS question asked twice with one port is one record."""
    default = int(shown(spanflow("meter", DEMO).stderr)["flow records"])
    arguments = ("--set", "cache.inactive_timeout=0", "--set", "cache.active_timeout=0")
    assert int(shown(spanflow("meter", DEMO, *arguments).stderr)["flow records"]) <= default
    filtered = spanflow("meter", DEMO, "--set", "capture.filter=tcp port 443")
    assert int(shown(filtered.stderr)["filtered"]) > 0
    for setting in ("capture.workers=3", "dpi.enabled=true", "cache.key=[vlan]", "cache.memory=64MiB"):
        assert spanflow("meter", DEMO, "--set", setting).returncode == 0, setting


@pytest.mark.parametrize(
    ("name", "octets", "code", "says"),
    [
        ("empty.pcap", b"", 65, "empty"),
        ("text.pcap", b"GET / HTTP/1.1\r\n", 65, "not a capture"),
        ("packed.pcap.gz", gzip.compress(b"x"), 65, "zcat"),
        ("header.pcap", b"\xd4\xc3\xb2\xa1\x02\x00", 65, "cut off"),
    ],
)
def test_bad_files(name: str, octets: bytes, code: int, says: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(octets)
    done = spanflow("meter", path)
    assert done.returncode == code
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("spanflow:")]
    assert str(path) in line
    assert says in line


def test_bad_paths(tmp_path: Path) -> None:
    missing = spanflow("meter", tmp_path / "none.pcap")
    assert (missing.returncode, "no such file" in missing.stderr) == (66, True)
    directory = spanflow("meter", tmp_path)
    assert (directory.returncode, "directory" in directory.stderr) == (74, True)


def test_what_came_before_a_truncation_is_metered_and_exported(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(DEMO.read_bytes()[:-20])
    with json_collector() as collector:
        done = spanflow("meter", path, "--collector", collector.url)
        records = collector.records()
    assert done.returncode == 65
    assert "cut off inside record" in done.stderr
    assert sum(record["packetDeltaCount"] for record in records) == int(shown(done.stdout)["accounted"])


def test_wrong_settings_are_told_before_anything_is_read() -> None:
    done = spanflow(
        "meter", DEMO, "--set", "cache.inactive_timeout=15", "--set", "capture.filter=nonsense here"
    )
    assert done.returncode == 78
    assert "cache.inactive_timeout" in done.stderr
    assert "capture.filter" in done.stderr


def test_an_interrupted_pipe_is_flushed_and_told() -> None:
    """Nothing comes any more, and the pipe stays open: the first signal is enough."""
    reading, writing = os.pipe()
    with json_collector() as collector:
        child = subprocess.Popen(
            [*SPANFLOW, "meter", "-", "--collector", collector.url],
            stdin=reading,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(reading)
        os.write(writing, DEMO.read_bytes())
        caught = Path(f"/proc/{child.pid}/status")
        wait_for(lambda: _catches_sigint(caught), "spanflow to catch signals")
        wait_for(lambda: _unread(writing) == 0, "spanflow to read")
        child.send_signal(signal.SIGINT)
        output, errors = child.communicate(timeout=60)
        os.close(writing)
        records = collector.records()
    assert child.returncode == 128 + signal.SIGINT
    assert "interrupted" in errors
    assert uniflows(records) == expected_uniflows()
    assert shown(output)["conservation"] == "exact"


def _catches_sigint(status: Path) -> bool:
    (mask,) = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("SigCgt")]
    return bool(int(mask, 16) & 1 << (signal.SIGINT - 1)) and "spanflow-meter" in {
        (task / "comm").read_text().strip() for task in (status.parent / "task").iterdir()
    }


def _unread(pipe: int) -> int:
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


def test_nobody_listens() -> None:
    """What was sent to a closed port did not arrive: that is no success."""
    done = spanflow("meter", DEMO, "--collector", f"ipfix+udp://127.0.0.1:{free_port()}")
    assert done.returncode == 69
    assert "nobody listened" in done.stdout


def test_a_file_name_is_octets(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.pcap"))
    path.write_bytes(DEMO.read_bytes())
    assert spanflow("meter", path).returncode == 0
    missing = spanflow("meter", Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.pcap")))
    assert (missing.returncode, "no such file" in missing.stderr) == (66, True)


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    head = shutil.which("head")
    assert head
    command = f"{' '.join(SPANFLOW)} meter {DEMO} | {head} -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
