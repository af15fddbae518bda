# SPDX-License-Identifier: Apache-2.0
"""`spanflow collect` as its users meet it: a process, datagrams on loopback, text, signals, exit codes."""

from __future__ import annotations

import io
import json
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.collect_command import COMMAND, FLOW, OPTIONS, SECONDS, Running, Start, flow, flows, summary
from collecting.messages import EXPORT_TIME, ipfix_set, message, short, template
from spanflow.cli.text_output import write_all
from spanflow.errors import ExitCode

HAS_IPV6_LOOPBACK = Path("/proc/net/if_inet6").exists() and "lo" in Path("/proc/net/if_inet6").read_text()


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Running] = []

    def run(*arguments: str, listen: str = "127.0.0.1:0", **options: Any) -> Running:
        running.append(Running("--listen", listen, *arguments, **options))
        return running[-1]

    yield run
    for each in running:
        each.close()


def test_json_lines(start: Start) -> None:
    collector = start("--json", "--count", "2")
    assert collector.greeting == f"listening on 127.0.0.1:{collector.address[1]} (udp)\n"
    collector.send(
        message(ipfix_set(2, FLOW), ipfix_set(3, OPTIONS)),
        message(ipfix_set(257, struct.pack("!QI", 1, 1)), domain=7),
        message(ipfix_set(257, struct.pack("!QI", 1, 1)), ipfix_set(256, flow(0), flow(1), flow(2))),
    )
    code, output, errors = collector.finish()
    assert code == ExitCode.OK
    options, first, second = map(json.loads, output.splitlines())
    host, port = collector.sender.getsockname()
    source = {"_exporter": f"{host}:{port}", "_protocol": "ipfix", "_domain": 1}
    assert options == {
        **source,
        "_template": 257,
        "_scope": ["selectorId"],
        "selectorId": 1,
        "samplingInterval": 1,
    }
    assert first == {
        **source,
        "_template": 256,
        "sourceIPv4Address": "192.0.2.1",
        "destinationIPv4Address": "198.51.100.7",
        "sourceTransportPort": 50000,
        "destinationTransportPort": 443,
        "protocolIdentifier": 6,
        "octetDeltaCount": 2**60,
        "packetDeltaCount": 12,
        "flowStartMilliseconds": "2023-11-14T22:13:20.007Z",
        "flowEndMilliseconds": "2023-11-14T22:13:21.211Z",
        "tcpControlBits": 27,
        "flowEndReason": 3,
    }
    assert second["octetDeltaCount"] == 2**60 + 1
    assert "data before its template" in errors.splitlines()[0]
    facts = summary(errors)
    assert facts["messages"] == "3"
    assert facts["records"] == "3"
    assert facts["options records"] == "1"
    assert facts["templates"] == "1"
    assert facts["options templates"] == "1"
    assert facts["data set before its template"] == "1"


def test_table(start: Start) -> None:
    collector = start("--count", "3")
    collector.send(message(ipfix_set(2, FLOW)), flows(0, 3))
    code, output, errors = collector.finish()
    assert code == ExitCode.OK
    header, *rows = output.splitlines()
    assert header.split() == [
        "date",
        "time",
        "(UTC)",
        "duration",
        "proto",
        "source",
        "destination",
        "packets",
        "octets",
        "flags",
        "end",
    ]
    assert rows[0].split() == [
        "2023-11-14",
        "22:13:20.007",
        "1.204s",
        "TCP",
        "192.0.2.1:50000",
        "→",
        "198.51.100.7:443",
        "12",
        "1.2E",
        "APSF",
        "end",
    ]
    assert len(rows) == 3
    assert len({row.index("→") for row in rows}) == 1
    assert "\x1b" not in output + errors


@pytest.mark.skipif(not HAS_IPV6_LOOPBACK, reason="this host has no ::1")
def test_ipv6(start: Start) -> None:
    collector = start("--json", "--count", "1", listen="[::1]:0")
    assert collector.greeting.startswith("listening on [::1]:")
    collector.send(message(ipfix_set(2, FLOW)), flows(0, 1))
    code, output, _ = collector.finish()
    assert code == ExitCode.OK
    assert json.loads(output)["_exporter"] == f"[::1]:{collector.sender.getsockname()[1]}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_with_a_summary(start: Start, number: signal.Signals) -> None:
    """Also before --count is reached. Output does not wait for the end: the first line is read before."""
    collector = start("--json", "--count", "100")
    collector.send(message(ipfix_set(2, FLOW)), flows(0, 2), flows(7, 1))
    lines = [collector.read_line() for _ in range(3)]
    collector.process.send_signal(number)
    code, rest, errors = collector.finish()
    assert (code, rest) == (ExitCode.OK, "")
    assert [json.loads(line)["sourceTransportPort"] for line in lines] == [50_000, 50_001, 50_007]
    facts = summary(errors)
    assert facts["records"] == "3"
    assert facts["sequence gaps"] == "1"
    assert facts["records missing"] == "5"
    assert facts["errors"] == "0"


def test_timeout(start: Start) -> None:
    code, output, errors = start("--timeout", "0.05").finish()
    assert (code, output) == (ExitCode.OK, "")
    assert summary(errors)["messages"] == "0"


def test_timeout_before_count(start: Start) -> None:
    code, _, _ = start("--timeout", "0.05", "--count", "1").finish()
    assert code == ExitCode.UNAVAILABLE


def test_malformed_messages_are_told_once_and_counted(start: Start) -> None:
    collector = start("--count", "1")
    good = message(ipfix_set(2, FLOW))
    collector.send(good[:-1], good[:-2], message(version=8), b"", good, flows(0, 1))
    code, _, errors = collector.finish()
    assert code == ExitCode.OK
    host, port = collector.sender.getsockname()
    lines = errors.partition("collected for ")[0].splitlines()
    assert [line.partition("; ")[0].partition(": ")[0] for line in lines] == [f"{host}:{port}"] * 2
    assert "offset 2: wrong message length: " in lines[0]
    assert "offset 0: unsupported version: 8, known are" in lines[1]
    facts = summary(errors)
    assert facts["errors"] == "4"
    assert facts["wrong message length"] == "3"
    assert facts["unsupported version"] == "1"


@pytest.mark.parametrize("json_option", [[], ["--json"]])
def test_text_from_the_network_cannot_speak_to_a_terminal(start: Start, json_option: list[str]) -> None:
    collector = start("--count", "1", *json_option)
    definition = template(256, ("applicationName", 65535), "vlanId")
    collector.send(
        message(ipfix_set(2, definition), ipfix_set(256, short("\x1b[2Ja\nb\x9b\u202e".encode()) + b"\0\7"))
    )
    code, output, _ = collector.finish()
    assert code == ExitCode.OK
    assert output.removesuffix("\n").isprintable()
    if json_option:
        assert json.loads(output)["applicationName"] == "\x1b[2Ja\nb\x9b\u202e"
    else:
        assert output == "applicationName=\\x1b[2Ja\\nb\\x9b\\u202e vlanId=7\n"


@pytest.mark.parametrize("data", [False, True], ids=["idle", "with data"])
def test_a_closed_pipe_ends_it_quietly(start: Start, data: bool) -> None:
    collector = start("--json")
    assert collector.process.stdout is not None
    if data:
        collector.send(message(ipfix_set(2, FLOW)), flows(0, 3))
    collector.process.stdout.close()
    assert collector.process.wait(SECONDS) == ExitCode.OK
    assert collector.process.stderr is not None
    assert collector.process.stderr.read() == ""


def test_full_disk(start: Start) -> None:
    with open("/dev/full", "w") as full:
        collector = start("--count", "1", stdout=full)
        collector.send(message(ipfix_set(2, FLOW)), flows(0, 1))
        code, _, errors = collector.finish()
    assert code == ExitCode.IO_ERROR
    assert errors == "spanflow: standard output: No space left on device; make room or write elsewhere\n"


def test_address_in_use(start: Start) -> None:
    port = start().address[1]
    ended = subprocess.run(
        [*COMMAND, "--listen", f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=SECONDS
    )
    assert ended.returncode == ExitCode.UNAVAILABLE
    assert ended.stdout == ""
    assert ended.stderr == (
        f"spanflow: --listen 127.0.0.1:{port}: the address is in use; choose another port, or stop the "
        f"program that `ss -ulpn sport = :{port}` shows\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--listen", "127.0.0.1:x"],
        ["--count", "0"],
        ["--count", "-1"],
        ["--timeout", "nan"],
        ["--timeout", "0"],
        ["--listen", "sctp://127.0.0.1"],
    ],
)
def test_wrong_arguments(arguments: list[str]) -> None:
    ended = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=SECONDS)
    assert ended.returncode == ExitCode.USAGE
    assert len(ended.stderr.splitlines()) == 1
    assert arguments[1] in ended.stderr


def test_numpy_is_not_loaded() -> None:
    """It takes longer to load than all the rest."""
    program = "import sys, spanflow.cli.collect as c; c.CollectingProcess(); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=SECONDS).returncode == 0


def test_export_time_is_no_condition(start: Start) -> None:
    """Captures of years ago are metered today, and clocks differ."""
    collector = start("--json", "--count", "2")
    collector.send(message(ipfix_set(2, FLOW), export_time=0), flows(0, 1))
    collector.send(message(ipfix_set(256, flow(1)), sequence=1, export_time=EXPORT_TIME - 10**9))
    code, output, errors = collector.finish()
    assert code == ExitCode.OK
    assert len(output.splitlines()) == 2
    assert summary(errors)["sequence gaps"] == "0"


class Reluctant(io.RawIOBase):
    """A pipe that is full, to a stream without buffer: each write takes 3 octets."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, octets: Any) -> int:
        self.taken += bytes(octets[:3])
        return min(3, len(octets))


def test_unbuffered_output_gets_all_of_the_text() -> None:
    pipe = Reluctant()
    # The type wants a buffer here; PYTHONUNBUFFERED gives what has none.
    output = io.TextIOWrapper(pipe, "utf-8", write_through=True)  # type: ignore[arg-type]
    write_all(output, "{} ü\n" * 100)
    assert pipe.taken.decode() == "{} ü\n" * 100
