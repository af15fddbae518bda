# SPDX-License-Identifier: Apache-2.0
"""Two network namespaces joined by a veth pair, for one measurement.

A namespace has no name: a process that waits for its standard input to end holds it, so it goes with this
process, however that ends.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SENDER_END, RECEIVER_END = "tx0", "rx0"


@dataclass(frozen=True, slots=True)
class Network:
    """Frames that leave by SENDER_END arrive at RECEIVER_END. Each namespace by the process that holds it."""

    sender: int
    receiver: int

    def in_sender(self, *command: str, core: int = 0) -> list[str]:
        """A command line that runs in the sender's namespace."""
        return _inside(self.sender, core, command)

    def in_receiver(self, *command: str, core: int = 1) -> list[str]:
        """A command line that runs in the receiver's namespace."""
        return _inside(self.receiver, core, command)

    def delivered(self) -> int:
        """Frames that the kernel delivered to RECEIVER_END so far."""
        for line in Path(f"/proc/{self.receiver}/net/dev").read_text().splitlines():
            name, _, counts = line.partition(":")
            if name.strip() == RECEIVER_END:
                return int(counts.split()[1])
        raise RuntimeError(f"{RECEIVER_END} is gone")


@contextmanager
def network() -> Iterator[Network]:
    """Both namespaces, IPv6 and ARP off, so that nobody but the sender sends. Needs root."""
    holders = [_hold_namespace(), _hold_namespace()]
    try:
        made = Network(*(holder.pid for holder in holders))
        _run(*_inside(made.sender, 0, _veth(made.receiver)))
        for holder, end in ((made.sender, SENDER_END), (made.receiver, RECEIVER_END)):
            _run(*_inside(holder, 0, ("ip", "link", "set", end, "arp", "off", "up")))
            _run(*_inside(holder, 0, ("ip", "link", "set", "lo", "up")))
        yield made
    finally:
        for holder in holders:
            holder.communicate()


def _hold_namespace() -> subprocess.Popen[bytes]:
    off = "for each in all default; do echo 1 >/proc/sys/net/ipv6/conf/$each/disable_ipv6 || true; done"
    script = f"{off}; echo ready; exec cat"
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    if not holder.stdout.readline():
        raise RuntimeError("network namespaces are not permitted here; run as root")
    return holder


def _veth(receiver: int) -> tuple[str, ...]:
    peer = ("peer", "name", RECEIVER_END, "netns", str(receiver))
    return ("ip", "link", "add", SENDER_END, "type", "veth", *peer)


def _inside(holder: int, core: int, command: tuple[str, ...]) -> list[str]:
    return ["nsenter", "--net", f"--target={holder}", "taskset", "--cpu-list", str(core), *command]


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
