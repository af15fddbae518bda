# SPDX-License-Identifier: Apache-2.0
"""Many clients that never finish their request, in a process of their own, until standard input ends.

slow_clients_child.py PORT CLIENTS PAUSE_S: each sends an octet every PAUSE_S, and connects again so long
after it was cut off. Prints a line when all have been connected once.
"""

from __future__ import annotations

import errno
import resource
import selectors
import socket
import sys
import time
from collections import deque

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: h\r\nX: "


class SlowClient:
    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))
        self.sent = 0

    def send(self) -> bool:
        """One octet more. False: the server has cut this client off."""
        try:
            self.socket.send(REQUEST[self.sent : self.sent + 1] or b"x")
            self.sent += 1
        except OSError as error:
            return error.errno in (errno.EAGAIN, errno.EINPROGRESS)
        return True


def main() -> None:
    port, count, pause_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ends = selectors.DefaultSelector()
    ends.register(sys.stdin, selectors.EVENT_READ)
    # Each client stands in line with the time of its next turn; the pause is the same for all.
    line: deque[tuple[float, SlowClient | None]] = deque((time.monotonic(), None) for _ in range(count))
    connected = 0
    while not ends.select(max(0.0, line[0][0] - time.monotonic())):
        _, client = line.popleft()
        if client is None:
            client = SlowClient(port)
            connected += 1
            if connected == count:
                print("all connected", flush=True)
        elif not client.send():
            client.socket.close()
            client = None
        line.append((time.monotonic() + pause_s, client))


if __name__ == "__main__":
    main()
