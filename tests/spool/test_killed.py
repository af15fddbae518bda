# SPDX-License-Identifier: Apache-2.0
"""SIGKILL before every write, create, sync, rename, unlink and truncation, and in the middle of writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHILD = Path(__file__).with_name("killed_child.py")


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, CHILD, tmp_path],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": paths},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) > 100, "kills"
