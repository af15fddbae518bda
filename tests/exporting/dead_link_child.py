# SPDX-License-Identifier: Apache-2.0
"""Run as a program: a TCP transport over a loopback device that goes down, in a namespace of its own.

Argument: 1 to go on sending over the dead link, 0 to wait until keepalive finds it. Prints JSON: the error,
how long it took, octets sent, told as missing, and found in the receiver's kernel.
Exit code 77: namespaces are not permitted here.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import sys
import time

from exporting.narrow_path_child import IFF_UP, SIOCSIFFLAGS, enter_namespace
from exporting.stream_peers import accept, address_of, eventually, listener, never_stops

MESSAGE = 500


def set_loopback(flags: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags).ljust(40, b"\0"))


def main(busy: bool) -> None:
    """Send before the link goes down, and after it if `busy`."""
    enter_namespace()
    set_loopback(IFF_UP)
    from spanflow.exporting.transport.interface import Sent
    from spanflow.exporting.transport.tcp import TcpTransport

    octets = memoryview(bytes(10 * MESSAGE))
    with listener() as listening:
        transport = TcpTransport(address_of(listening), never_stops, patience_s=1.0)
        connection = accept(listening)
        transport.send(octets, MESSAGE)
        sent = len(octets)
        eventually(lambda: transport.unacknowledged_octets() == 0, "all acknowledged")
        set_loopback(0)
        begin = time.monotonic()
        while busy and transport.send(octets, MESSAGE) is Sent.ALL:
            sent += len(octets)
        eventually(lambda: transport.notice() or transport.ended, "found dead")
        seconds = time.monotonic() - begin
        connection.setblocking(False)
        received = len(connection.recv(1 << 22))
        missing = transport.unacknowledged_octets()
        transport.close()
    report = {"error": transport.ended, "seconds": seconds, "sent": sent, "missing": missing}
    print(json.dumps(report | {"received": received}))


if __name__ == "__main__":
    main(sys.argv[1] == "1")
