# SPDX-License-Identifier: Apache-2.0
"""What a protocols file holds is quoted when it is refused: as text, whatever octets it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanflow.classification import open_classification
from spanflow.config.schema import Dpi
from spanflow.errors import ConfigError


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"tcp:\xff@A", ":1: 'tcp:\N{REPLACEMENT CHARACTER}' has no port"),
        # The quote is cut after 60 octets, in the middle of a character.
        (b"host:" + b"a" * 54 + "é x@A".encode(), "a\N{REPLACEMENT CHARACTER}' has no host name"),
    ],
    ids=["no UTF-8", "cut"],
)
def test_a_line_that_is_refused(line: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "protocols.txt"
    path.write_bytes(line + b"\n")
    with pytest.raises(ConfigError) as refused:
        open_classification(Dpi(protocols_file=str(path)))
    assert reason in str(refused.value)
