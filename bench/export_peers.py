# SPDX-License-Identifier: Apache-2.0
"""Who receives in a trial of export.py: the native sink for datagrams, export_peer.py for streams."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from native_tools import BENCH

_PATIENCE_S = 60.0


class Peer:
    """A running receiver on one core: it listens once it is made."""

    def __init__(self, kind: str, tools: Path, core: int, certificate: str) -> None:
        self._native = kind == "sink"
        command = [str(tools / "sink"), "0", "60"]
        if not self._native:
            name = "lines" if kind == "lines" else "stream"
            command = [sys.executable, str(BENCH / "export_peer.py"), name]
            command += [certificate] if kind == "tls" else []
        self._process = subprocess.Popen(
            ["taskset", "-c", str(core), *command], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{command[0]} did not start")
        self.port: int = json.loads(line)["port"]

    def totals(self) -> dict[str, Any]:
        """What came. The native sink empties its socket first; the others end with the connection."""
        if self._native:
            self._process.terminate()
        line = self._process.communicate(timeout=_PATIENCE_S)[0]
        found: dict[str, Any] = json.loads(line)
        return found

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


def free_port() -> int:
    """A port on loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def make_certificate(path: Path) -> None:
    """A key and a certificate for localhost, in one file. Needs openssl."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
