# SPDX-License-Identifier: Apache-2.0
"""Run as a program: an export over a loopback device with a small MTU, in a network namespace of its own.

Arguments: host, max_message_size, MTU, and an MTU that follows after the first batch. Prints JSON: for each
batch the longest datagram and the number of Flow Data Records received, at the end what was dropped.
Exit code 77: namespaces are not permitted here.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x1000_0000, 0x4000_0000
SIOCSIFMTU, SIOCSIFFLAGS, IFF_UP = 0x8922, 0x8914, 1
NOT_PERMITTED = 77


def enter_namespace() -> None:
    """Leave for a network namespace with nothing but `lo`. Before any thread is started."""
    libc = ctypes.CDLL(None)
    if libc.unshare(CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWUSER | CLONE_NEWNET):
        sys.exit(NOT_PERMITTED)


def set_loopback(mtu: int) -> None:
    """Set the MTU of `lo`, and bring it up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFMTU, struct.pack("16si", b"lo", mtu).ljust(40, b"\0"))
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP).ljust(40, b"\0"))


def main(host: str, max_message_size: int, mtu: int, next_mtu: int) -> None:
    """Export three batches of 100 Flow Records each."""
    enter_namespace()
    set_loopback(mtu)
    from exporting.flow_batches import some_flows
    from exporting.plain_ipfix import Reader
    from spanflow.config.schema import Collector, Export
    from spanflow.exporting.process import ExportingProcess

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    report: list[tuple[int, int]] = []
    with socket.socket(family, socket.SOCK_DGRAM) as listening:
        listening.bind((host, 0))
        listening.setblocking(False)
        collector = Collector(host=host, port=listening.getsockname()[1])
        export = Export(max_message_size=max_message_size)
        process = ExportingProcess(collector, export, domain=7, offline=True)
        reader = Reader()
        for _ in range(3):
            process.offer(some_flows(100), wait_s=0)
            process.turn(0)
            longest, before = 0, len(reader.flows())
            try:
                while True:
                    message = listening.recv(65536)
                    longest = max(longest, len(message))
                    reader.read(message)
            except BlockingIOError:
                report.append((longest, len(reader.flows()) - before))
            set_loopback(next_mtu)
    dropped = sum(tally.records for tally in process.counters().dropped.values())
    print(json.dumps({"batches": report, "dropped": dropped}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
