# SPDX-License-Identifier: Apache-2.0
"""What a source names: files, patterns, interfaces; and what is said of one that is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from spanflow.errors import CaptureError, ExitCode, UsageError
from spanflow.stream.sources import Sources, resolve


def test_files_patterns_and_interfaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.pcap", "a.pcap", "other.pcapng", "lo"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert resolve("a.pcap") == Sources(files=("a.pcap",))
    assert resolve(tmp_path / "a.pcap") == Sources(files=(str(tmp_path / "a.pcap"),))
    assert resolve("*.pcap") == Sources(files=("a.pcap", "b.pcap"))
    assert resolve(["b.pcap", "a.*", "-"]) == Sources(files=("b.pcap", "a.pcap", "-"))
    assert resolve("lo") == Sources(files=("lo",)), "what exists as a file is one"
    (tmp_path / "lo").unlink()
    assert resolve("lo") == Sources(interfaces=("lo",))
    assert resolve(["lo", "any"]) == Sources(interfaces=("lo", "any"))


def test_a_file_whose_name_is_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "a[1].pcap"
    path.touch()
    assert resolve(str(path)) == Sources(files=(str(path),))


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        (None, UsageError, "source: nothing to meter; name a capture file or an interface"),
        ([], UsageError, "source: an empty list; name a capture file or an interface"),
        ("x/y.pcap", CaptureError, "capture x/y.pcap: no such file; check the path"),
        (Path("eth99"), CaptureError, "capture eth99: no such file; check the path"),
        ("trace.pcap", CaptureError, "capture trace.pcap: no such file; check the path"),
        ("*.nope", CaptureError, "capture *.nope: no file matches; check the pattern"),
        (
            ["lo", os.devnull],
            UsageError,
            "source: lo is an interface and /dev/null a file; meter them in two streams",
        ),
        (5, UsageError, "source: '5' is no name; give a str, a path, or a list of them"),
        (b"a.pcap", UsageError, "source: 'b'a.pcap'' is no name; give a str, a path, or a list of them"),
        (["lo", None], UsageError, "source: 'None' is no name; give a str or a path"),
        ([b"a.pcap"], UsageError, "source: 'b'a.pcap'' is no name; give a str or a path"),
        (["lo", "lo"], UsageError, "source: lo is there twice, each packet would count twice; remove one"),
    ],
)
def test_what_is_no_source(source: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        resolve(source)
    assert str(caught.value) == text


def test_an_open_file_is_no_list_of_names(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").touch()
    with (tmp_path / "a.pcap").open("rb") as file, pytest.raises(UsageError, match="is no name; give a str"):
        resolve(file)  # type: ignore[arg-type]


def test_no_interface() -> None:
    with pytest.raises(CaptureError) as caught:
        resolve("eth99")
    assert str(caught.value).startswith("capture eth99: no such file, and no such interface (have: ")
    assert caught.value.exit_code == ExitCode.NO_INPUT
