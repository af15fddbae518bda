# SPDX-License-Identifier: Apache-2.0
"""`spanflow collect` as a process, and datagrams to send to it."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

from collecting.messages import ipfix_set, message, options_template, template

COMMAND = [
    sys.executable,
    "-c",
    "import sys; from spanflow.cli.main import main; sys.exit(main())",
    "collect",
]
SECONDS = 20
"""How long anything may take before the test fails; nothing waits for it."""

FLOW = template(
    256,
    "sourceIPv4Address",
    "destinationIPv4Address",
    "sourceTransportPort",
    "destinationTransportPort",
    "protocolIdentifier",
    "octetDeltaCount",
    "packetDeltaCount",
    "flowStartMilliseconds",
    "flowEndMilliseconds",
    "tcpControlBits",
    "flowEndReason",
)
OPTIONS = options_template(257, 1, "selectorId", "samplingInterval")


def flow(number: int) -> bytes:
    start = 1_700_000_000_007
    ports = struct.pack("!HHB", 50_000 + number, 443, 6)
    return (
        bytes([192, 0, 2, 1, 198, 51, 100, 7])
        + ports
        + struct.pack("!QQQQHB", 2**60 + number, 12, start, start + 1204, 0x1B, 3)
    )


def flows(first: int, count: int) -> bytes:
    return message(ipfix_set(256, *(flow(first + n) for n in range(count))), sequence=first)


class Running:
    """A collector that listens. Its output is read until the end by finish().

    greeting: its first line. address: where it listens. sender: a UDP socket that sends to it.
    """

    def __init__(self, *arguments: str, **options: Any) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=options.get("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.greeting = self.process.stderr.readline()
        self.address = address_in(self.greeting)
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        self.sender = socket.socket(family, socket.SOCK_DGRAM)
        self.sender.connect(self.address)

    def send(self, *datagrams: bytes) -> None:
        for octets in datagrams:
            self.sender.send(octets)

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return str(self.process.stdout.readline())

    def finish(self) -> tuple[int, str, str]:
        """Exit code, standard output and standard error once it has ended by itself."""
        output, errors = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, output, errors

    def close(self) -> None:
        self.sender.close()
        self.process.kill()
        self.process.communicate()


def address_in(greeting: str) -> tuple[str, int]:
    """Where a collector says that it listens."""
    host, _, port = greeting.removeprefix("listening on ").rpartition(" (")[0].rpartition(":")
    return host.strip("[]"), int(port)


Start: TypeAlias = Callable[..., Running]


def summary(errors: str) -> dict[str, str]:
    """Label → value of the summary on standard error."""
    _, _, block = errors.partition("collected for ")
    lines = [line.strip().split("  ") for line in block.splitlines()[1:]]
    return {parts[0]: next(part.strip() for part in parts[1:] if part) for parts in lines}
