# SPDX-License-Identifier: Apache-2.0
"""docs/library.md: all of its code runs, in order, and prints what the page says."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.code_blocks import code_blocks
from end_to_end.command import SPANFLOW

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs/library.md"
DISCARD_PORT, EVERY_S = 9, 0.02


@contextlib.contextmanager
def datagrams_on_lo() -> Iterator[None]:
    """What the example of live capture waits for."""
    ended = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not ended.wait(EVERY_S):
                with contextlib.suppress(ConnectionRefusedError):
                    sender.sendto(b"example", ("127.0.0.1", DISCARD_PORT))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(REPOSITORY / "config/demo.pcap", tmp_path / "demo.pcap")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = list(code_blocks(PAGE))
    assert len(blocks) == PAGE.read_text().count("\n```python") > 10
    for block in blocks:
        if block.live and os.geteuid() != 0:
            continue  # it takes CAP_NET_RAW
        code = compile("\n" * (block.line - 1) + block.code, str(PAGE), "exec")
        printed = io.StringIO()
        with (
            datagrams_on_lo() if block.live else contextlib.nullcontext(),
            contextlib.redirect_stdout(printed),
        ):
            exec(code, names)
        assert printed.getvalue() == (block.output or ""), f"line {block.line}"


def test_the_code_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(REPOSITORY / "config/demo.pcap", tmp_path / "trace.pcap")
    monkeypatch.chdir(tmp_path)
    (block,) = code_blocks(REPOSITORY / "README.md")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block.code, {})
    assert "192.0.2.20 203.0.113.8 HTTP " in printed.getvalue()
    assert (tmp_path / "flows.parquet").exists()


def test_its_commands(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "config/demo.pcap", tmp_path / "demo.pcap")
    commands = re.findall(r"^spanflow (meter .*)$", PAGE.read_text(), re.MULTILINE)
    assert len(commands) > 2
    for command in commands:
        done = subprocess.run([*SPANFLOW, *command.split()], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
    assert {path.name for path in tmp_path.iterdir()} > {"flows.csv", "flows.jsonl", "flows.parquet"}
