# SPDX-License-Identifier: Apache-2.0
"""Logs one event to a socket of its own in journald's place, and prints what came there, as JSON.

To be run by `unshare --mount`, since it covers /run. Options: --without-journal (no socket),
--without-library (systemd-python does not load), --journal-ends (the socket is closed before the event).
"""

from __future__ import annotations

import ctypes
import json
import logging
import socket
import sys

from spanflow import logs


def main() -> None:
    cover_run()
    logs.JOURNAL_SOCKET.parent.mkdir(parents=True)
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.setblocking(False)
    if "--without-journal" not in sys.argv:
        journal.bind(str(logs.JOURNAL_SOCKET))
    if "--without-library" in sys.argv:
        sys.modules["systemd.journal"] = None  # type: ignore[assignment]
    logs.configure("journal", "info")
    if "--journal-ends" in sys.argv:
        journal.close()  # the path stays: connecting to it is refused
    fields = {"collector": "noc", "error": "first\nsecond \x1b \udcff", "weird_näme": 1, "tries": 3}
    logging.getLogger("spanflow.somewhere").warning("collector lost", extra=fields)
    try:
        entries = [parse(journal.recv(1 << 20))]
    except OSError:  # closed, or nothing came
        entries = []
    print(json.dumps({"entries": entries}))


def cover_run() -> None:
    """An empty /run, for this process alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", b"/run", b"tmpfs", 0, None) != 0:
        raise OSError(ctypes.get_errno(), "cannot mount on /run")


def parse(datagram: bytes) -> dict[str, str]:
    """An entry in the journal's native protocol: KEY=value, or KEY, the length in 64 bits, and the value."""
    entry = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + length], rest[8 + length + 1 :]
        entry[name.decode("ascii")] = value.decode("utf-8")
        datagram = rest
    return entry


if __name__ == "__main__":
    main()
