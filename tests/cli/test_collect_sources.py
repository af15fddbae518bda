# SPDX-License-Identifier: Apache-2.0
"""`spanflow collect` with all that it reads: NetFlow, TCP, TLS, files; and what it shows of it."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from cli.collect_command import COMMAND, FLOW, SECONDS, Running, address_in, flow, flows, summary
from collecting.messages import ipfix_set, message, options_template, short
from collecting.netflow import UPTIME_MS, flowset, options_template9, packet5, packet9, record5, template9
from spanflow.errors import ExitCode

MESSAGES = message(ipfix_set(2, FLOW)) + flows(0, 3)
INTERFACE = options_template(300, 1, "ingressInterface", ("interfaceName", 65535))
VARIABLES = "_protocol", "_domain", "_template"


@pytest.fixture
def stop() -> Iterator[list[Running]]:
    running: list[Running] = []
    yield running
    for each in running:
        each.close()


def read(*arguments: str, stdin: bytes | None = None) -> tuple[int, list[str], str]:
    """Exit code, lines of standard output, and standard error of a run that reads files."""
    done = subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, timeout=SECONDS)
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


def test_three_protocols_on_one_port(stop: list[Running]) -> None:
    collector = Running("--listen", "127.0.0.1:0", "--json", "--count", "3")
    stop.append(collector)
    definition = template9(256, "sourceIPv4Address", "destinationIPv4Address", ("ingressInterface", 2))
    collector.send(
        packet9(
            flowset(1, options_template9(300, [(2, 4)], ("interfaceName", 5))),
            flowset(300, struct.pack("!I", 3) + b"eth0\0"),
            flowset(0, definition),
            flowset(256, bytes([192, 0, 2, 1, 198, 51, 100, 7, 0, 3])),
            count=4,
            source_id=9,
        ),
        packet5(record5(last_ms=UPTIME_MS), sampling=1 << 14 | 100, engine=(0, 3)),
        message(ipfix_set(2, FLOW), ipfix_set(256, flow(0))),
    )
    code, output, errors = collector.finish()
    assert code == ExitCode.OK
    options, netflow9, netflow5, ipfix = map(json.loads, output.splitlines())
    assert [options[name] for name in ("_protocol", "_domain", "_scope")] == [
        "netflow9",
        9,
        ["scopeInterface"],
    ]
    assert (netflow9["_protocol"], netflow9["_ingressInterface"]) == ("netflow9", "eth0")
    assert [netflow5.get(name) for name in VARIABLES] == ["netflow5", 3, None]
    assert netflow5["flowEndMilliseconds"] == "2023-11-14T22:13:20.000Z"
    assert (netflow5["_sampling"], netflow5["samplingInterval"]) == (100, 100)
    assert [ipfix[name] for name in VARIABLES] == ["ipfix", 1, 256]
    facts = summary(errors)
    assert [facts[name] for name in ("NetFlow v5", "NetFlow v9", "IPFIX", "messages")] == ["1", "1", "1", "3"]
    assert facts["errors"] == "0"


def test_packets_of_netflow9_that_are_missing(stop: list[Running]) -> None:
    collector = Running("--listen", "127.0.0.1:0", "--count", "1")
    stop.append(collector)
    collector.send(
        packet9(flowset(0, template9(256, "vlanId")), count=1, sequence=1),
        packet9(flowset(256, b"\0\1"), count=7, sequence=5),
    )
    _, output, errors = collector.finish()
    assert output == "vlanId=1\n"
    facts = summary(errors)
    assert (facts["sequence gaps of packets"], facts["packets missing"]) == ("1", "3")
    assert (facts["sequence gaps"], facts["wrong record count"]) == ("0", "1")


def test_tcp_beside_udp(stop: list[Running]) -> None:
    collector = Running("--listen", "127.0.0.1:0", "--listen", "tcp://127.0.0.1:0", "--json", "--count", "6")
    stop.append(collector)
    assert collector.process.stderr is not None
    second = collector.process.stderr.readline()
    assert second.endswith(" (tcp)\n")
    with (
        socket.create_connection(address_in(second)) as good,
        socket.create_connection(address_in(second)) as bad,
    ):
        bad.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert bad.recv(1) == b""
        good.sendall(MESSAGES)
        exporters = [json.loads(collector.read_line())["_exporter"] for _ in range(3)]
        assert exporters == [f"127.0.0.1:{good.getsockname()[1]}"] * 3
        bad_name = f"127.0.0.1:{bad.getsockname()[1]}"
    collector.send(message(ipfix_set(2, FLOW)), flows(0, 3))
    code, _, errors = collector.finish()
    assert code == ExitCode.OK
    assert errors.startswith(f"{bad_name}: offset 0: unsupported version: 18245, ")
    facts = summary(errors)
    assert (facts["connections"], facts["closed here"], facts["transport sessions"]) == ("2", "1", "3")
    assert facts["unsupported version"] == "1"


def test_tls_with_mutual_authentication(stop: list[Running], tmp_path: Path) -> None:
    ca = trustme.CA()
    files = {name: str(tmp_path / name) for name in ("certificate", "key", "ca")}
    issued = ca.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(files["certificate"])
    issued.private_key_pem.write_to_path(files["key"])
    ca.cert_pem.write_to_path(files["ca"])
    options = [f"--{name}={path}" for name, path in files.items()]
    collector = Running("--listen", "tls://127.0.0.1:0", *options, "--json", "--count", "3")
    stop.append(collector)
    assert collector.greeting.endswith(" (tls)\n")
    context = ssl.create_default_context(cafile=files["ca"])
    with socket.create_connection(collector.address) as raw:
        wrapped = context.wrap_socket(raw, server_hostname="127.0.0.1")
        assert collector.process.stderr is not None
        told = collector.process.stderr.readline()
        assert "TLS handshake failed: peer did not return a certificate; " in told
        wrapped.close()
    ca.issue_cert("exporter.example").configure_cert(context)
    with (
        socket.create_connection(collector.address) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped,
    ):
        wrapped.sendall(MESSAGES)
        code, output, errors = collector.finish()
    assert code == ExitCode.OK
    assert len(output.splitlines()) == 3
    assert (summary(errors)["connections"], summary(errors)["closed here"]) == ("2", "1")


USAGE = [
    (["--listen", "tls://127.0.0.1:0"], "--listen tls://: no certificate; "),
    (["--listen", "tls://127.0.0.1:0", "--key", "key.pem"], "--listen tls://: no certificate; "),
    (["--ca", "ca.pem"], "--certificate, --key, --ca: nothing uses TLS; "),
    (
        ["--file", "x", "--listen", "127.0.0.1:0"],
        "--file and --listen: files and sockets do not go together; ",
    ),
]


@pytest.mark.parametrize(("arguments", "text"), USAGE)
def test_what_does_not_go_together(arguments: list[str], text: str) -> None:
    code, output, errors = read(*arguments)
    assert (code, output) == (ExitCode.USAGE, [])
    assert errors.startswith(f"spanflow: {text}")
    assert len(errors.splitlines()) == 1


def test_wrong_certificate_files() -> None:
    code, output, errors = read("--listen", "tls://127.0.0.1:0", "--certificate", "/none", "--key", "/none")
    assert (code, output) == (ExitCode.NO_INPUT, [])
    assert errors.startswith("spanflow: --certificate /none --key /none: no such file; ")
    assert len(errors.splitlines()) == 1


def test_files(tmp_path: Path) -> None:
    """Each is a session of its own: the same Template ID may mean something else."""
    first, second = str(tmp_path / "first.ipfix"), str(tmp_path / "second.ipfix.gz")
    Path(first).write_bytes(MESSAGES)
    Path(second).write_bytes(gzip.compress(MESSAGES))
    code, output, errors = read("--json", "--file", first, second)
    assert code == ExitCode.OK
    assert [json.loads(line)["_exporter"] for line in output] == [first] * 3 + [second] * 3
    facts = summary(errors)
    assert (facts["records"], facts["transport sessions"], facts["sequence gaps"]) == ("6", "2", "0")
    assert "datagrams lost here" not in facts
    assert "listening" not in errors


def test_standard_input() -> None:
    code, output, _ = read("--json", "--count", "2", "--file", "-", stdin=MESSAGES)
    assert code == ExitCode.OK
    assert [json.loads(line)["_exporter"] for line in output] == ["standard input"] * 2


def test_a_truncated_file(tmp_path: Path) -> None:
    """The next ones are read, what is whole is shown; one line says where it ends."""
    cut, whole, none = (str(tmp_path / name) for name in ("cut", "whole", "none"))
    Path(cut).write_bytes(MESSAGES[:-1])
    Path(whole).write_bytes(MESSAGES)
    code, output, errors = read("--json", "--file", cut, none, whole)
    assert code == ExitCode.DATA
    assert [json.loads(line)["_exporter"] for line in output] == [whole] * 3
    offset = len(message(ipfix_set(2, FLOW)))
    lines = errors.partition("collected for ")[0].splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        f"spanflow: {cut}: offset {offset}: end within a message: "
        f"{len(MESSAGES) - offset - 1} octets of a message that is longer",
        f"spanflow: {none}: No such file or directory",
    ]
    code, _, errors = read("--file", none)
    assert code == ExitCode.NO_INPUT
    assert errors == f"spanflow: {none}: No such file or directory; name an IPFIX file that can be read\n"


def test_a_file_that_has_too_few_records(tmp_path: Path) -> None:
    path = tmp_path / "flows.ipfix"
    path.write_bytes(MESSAGES)
    assert read("--count", "4", "--file", str(path))[0] == ExitCode.UNAVAILABLE


def test_a_signal_ends_the_reading_of_a_pipe() -> None:
    """What came is shown, although the other end says nothing more."""
    running = subprocess.Popen(
        [*COMMAND, "--json", "--file", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdin is not None
    assert running.stdout is not None
    with running:
        running.stdin.write(MESSAGES + b"\0")
        running.stdin.flush()
        assert json.loads(running.stdout.readline())["sourceTransportPort"] == 50_000
        running.send_signal(signal.SIGTERM)
        assert running.wait(SECONDS) == ExitCode.OK


def test_options_in_the_table(tmp_path: Path) -> None:
    path = tmp_path / "flows.ipfix"
    interface = ipfix_set(300, struct.pack("!I", 3) + short(b"eth0\x07"))
    path.write_bytes(message(ipfix_set(3, INTERFACE), interface) + MESSAGES)
    _, output, _ = read("--options", "--file", str(path))
    assert output[0] == "options: ingressInterface=3 interfaceName=eth0\\x07"
    assert len(output) == 5
    assert len(read("--file", str(path))[1]) == 4
