# SPDX-License-Identifier: Apache-2.0
"""Paths that take less than a Message: the kernel's own behaviour, on a loopback device with a small MTU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHILD = Path(__file__).with_name("narrow_path_child.py")
NOT_PERMITTED = 77


def export(host: str, max_message_size: int, mtu: int, next_mtu: int) -> Any:
    arguments = [str(argument) for argument in (max_message_size, mtu, next_mtu)]
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, CHILD, host, *arguments],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": paths},
        timeout=120,
        check=False,
    )
    if done.returncode == NOT_PERMITTED:
        pytest.skip("network namespaces are not permitted here")
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(("size", "mtu"), [(1399, 1280), (1400, 1500)])
def test_messages_are_fragmented(host: str, size: int, mtu: int) -> None:
    """Where the size is set, or the route gets narrow. Then there is no segmentation offload, but nothing is
    lost."""
    assert export(host, size, mtu, 1280) == {"batches": [[1364, 200]] * 3, "dropped": 0}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_messages_of_the_default_size_fit_the_route(host: str) -> None:
    assert export(host, 1400, 1280, 1280) == {"batches": [[1196, 200]] * 3, "dropped": 0}


@pytest.mark.parametrize(("host", "longest"), [("127.0.0.1", 20 + 14 * 84), ("::1", 20 + 14 * 84)])
def test_messages_fit_the_path(host: str, longest: int) -> None:
    # 1280 - 28 = 1252 octets over IPv4, 1280 - 48 = 1232 over IPv6.
    assert export(host, 0, 1280, 1280) == {"batches": [[longest, 200]] * 3, "dropped": 0}


@pytest.mark.parametrize(
    ("host", "mtus", "longest"),
    [
        ("127.0.0.1", (1500, 700), (20 + 17 * 84, 20 + 7 * 84)),
        ("::1", (1500, 1280), (20 + 17 * 84, 20 + 14 * 84)),
    ],
)
def test_path_that_gets_narrower(host: str, mtus: tuple[int, int], longest: tuple[int, int]) -> None:
    # The batch in between goes in fragments.
    batches = [[longest[0], 200], [longest[0], 200], [longest[1], 200]]
    assert export(host, 0, *mtus) == {"batches": batches, "dropped": 0}
