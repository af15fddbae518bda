# SPDX-License-Identifier: Apache-2.0
"""The command itself: version, usage errors, and how each way to end becomes an exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spanflow.cli import check
from spanflow.cli.main import main
from spanflow.errors import CaptureError, ExitCode

Captured = pytest.CaptureFixture[str]
SHIPPED = str(Path(__file__).parents[2] / "config" / "spanflow.yaml")


def test_version(capsys: Captured) -> None:
    assert main(["--version"]) == ExitCode.OK
    name, _, version = capsys.readouterr().out.partition(" ")
    assert name == "spanflow"
    assert version.strip()


def test_version_without_a_distribution(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import Distribution, PackageNotFoundError

    def refuse(name: str) -> Distribution:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(Distribution, "from_name", refuse)
    assert main(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out == "spanflow (not installed)\n"


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [
        (["--version"], []),
        (["check", SHIPPED], ["spanflow._core"]),
        (["check", SHIPPED, "--set", "dpi.enabled=false"], ["spanflow._core"]),
        (["protocols"], ["spanflow._core"]),
    ],
)
def test_what_is_slow_to_load_is_not_loaded(arguments: list[str], loaded: list[str]) -> None:
    script = (
        "import sys; from spanflow.cli.main import main; main(sys.argv[1:]);"
        "print(sorted(sys.modules.keys() & {'numpy', 'pcapy', 'spanflow._core', 'ipfix'}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    assert found.stdout.splitlines()[-1] == str(loaded)


USAGE: list[tuple[list[str], str]] = [
    ([], "the following arguments are required: COMMAND; see spanflow --help"),
    (["chek"], "unknown command 'chek' (did you mean check?); see spanflow --help"),
    (
        ["zzz"],
        "unknown command 'zzz' (known: run, meter, collect, check, explain, spool, keygen, interfaces,"
        " protocols, healthcheck); see spanflow --help",
    ),
    (["check"], "the following arguments are required: FILE; see spanflow check --help"),
    (["check", "f", "g"], "unrecognized arguments: g; see spanflow --help"),
    (["check", "f", "--du"], "unrecognized arguments: --du; see spanflow --help"),
    (["--vers"], "the following arguments are required: COMMAND; see spanflow --help"),
]


@pytest.mark.parametrize(("arguments", "problem"), USAGE, ids=[" ".join(row[0]) for row in USAGE])
def test_a_wrong_command_line_is_one_line_and_exit_code_64(
    arguments: list[str], problem: str, capsys: Captured
) -> None:
    assert main(arguments) == ExitCode.USAGE
    assert capsys.readouterr() == ("", f"spanflow: {problem}\n")


def test_help_lists_the_commands(capsys: Captured) -> None:
    assert main(["--help"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert all(
        f"\n    {name} " in out for name in ("meter", "collect", "check", "explain", "spool", "keygen")
    )


def test_help_of_a_command(capsys: Captured) -> None:
    assert main(["check", "--help"]) == ExitCode.OK
    assert "usage: spanflow check" in capsys.readouterr().out


def end_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    def run(_: object) -> int:
        raise error

    monkeypatch.setattr(check, "run", run)
    return main(["check", "x"])


def test_an_error_of_ours_has_its_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    assert end_with(CaptureError("a.pcap: is empty", ExitCode.NO_INPUT), monkeypatch) == ExitCode.NO_INPUT
    assert capsys.readouterr() == ("", "spanflow: a.pcap: is empty\n")


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    assert end_with(KeyboardInterrupt(), monkeypatch) == 130
    assert capsys.readouterr() == ("", "")


def test_a_defect_is_shown_whole(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    assert end_with(ZeroDivisionError("x"), monkeypatch) == ExitCode.SOFTWARE
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_is_full_is_an_input_output_error() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "spanflow", "check", SHIPPED]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    problem = "spanflow: standard output: No space left on device; make room or write elsewhere\n"
    assert (ended.returncode, ended.stderr) == (ExitCode.IO_ERROR, problem)


def test_another_error_of_the_system_is_a_defect(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    assert end_with(OSError(9, "Bad file descriptor"), monkeypatch) == ExitCode.SOFTWARE
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["check", SHIPPED, "--dump"], ["--version"]])
def test_a_reader_that_has_gone_ends_it_quietly(arguments: list[str]) -> None:
    script = "read line; exit 0"
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE) as reader:
        assert reader.stdin is not None
        reader.stdin.write(b"\n")
        reader.stdin.flush()
        reader.wait(timeout=10)
        command = [sys.executable, "-m", "spanflow", *arguments]
        ended = subprocess.run(command, stdout=reader.stdin, stderr=subprocess.PIPE, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (141, b"")
