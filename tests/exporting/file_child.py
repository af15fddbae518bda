# SPDX-License-Identifier: Apache-2.0
"""Run as a program: a file transport in a process of its own, which can be limited, or killed.

Arguments: what is to happen; for "killed" also a directory and a compression.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from exporting.clocks import FakeClock
from exporting.ipfix_messages import numbered
from spanflow.exporting.transport.file import FileTransport
from spanflow.exporting.transport.interface import Sent

LIMIT_OCTETS = 10_050
KILLED_AFTER = 1000
NOBODY = 65534


def opened(path: str, clock: FakeClock, compression: str = "none") -> FileTransport:
    return FileTransport(
        path, lambda seconds: False, clock=clock, compression=compression, rotate_octets=20_000
    )


def limited() -> None:
    """The system takes no more than a limit: the file ends with a whole Message."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_OCTETS, LIMIT_OCTETS))
    with tempfile.TemporaryDirectory() as directory:
        transport = opened(f"{directory}/f", FakeClock())
        number = 0
        while transport.send(memoryview(numbered(number)), 100) is Sent.ALL:
            number += 1
        assert number == LIMIT_OCTETS // 100, number
        assert "file too large; raise the limit" in transport.last_error, transport.last_error
        transport.close()
        assert Path(directory, "f").read_bytes() == b"".join(map(numbered, range(number)))


def not_permitted() -> None:
    """A directory that this user may read, but not write to."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o555)
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
        try:
            opened(f"{directory}/f", FakeClock())
        except OSError as error:
            text = f"{directory}: permission denied; let this user make and rename files there"
            assert str(error) == text, error  # noqa: PT017 a program, no test
        else:
            raise AssertionError("was permitted")
        finally:
            if os.getuid() == 0:
                os.seteuid(0)


def killed(directory: str, compression: str) -> None:
    """Say after each Message how many are acknowledged; be killed by itself."""
    clock = FakeClock()
    transport = opened(f"{directory}/%s.ipfix", clock, compression)
    sent, acknowledged = 0, 0
    while True:
        assert transport.send(memoryview(numbered(sent)), 100) is Sent.ALL
        sent += 1
        clock.advance(0.01)
        transport.notice()
        if transport.rotation_due:
            assert transport.finish(0.0)
            acknowledged = sent
            print(acknowledged, flush=True)
            transport = opened(f"{directory}/%s.ipfix", clock, compression)
        acknowledged = sent - transport.unacknowledged_octets() // 100
        print(acknowledged, flush=True)
        if sent == KILLED_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    match sys.argv[1]:
        case "limited":
            limited()
        case "not permitted":
            not_permitted()
        case "killed":
            killed(*sys.argv[2:])
