# SPDX-License-Identifier: Apache-2.0
"""`spanflow spool`: ls, verify, purge and replay, and what each says when something is in its way."""

from __future__ import annotations

import io
import json
import os
import socket
import threading
from pathlib import Path

import pytest

from spanflow.cli.main import main
from spanflow.errors import ExitCode
from spanflow.exporting.counters import Tally
from spanflow.exporting.spool.folder import spool_folder
from spanflow.exporting.spool.parcel import Parcel
from spool.parcels import PREFACE, open_spool, parcel, segments

Captured = pytest.CaptureFixture[str]

STORED_NS = 1_800_000_000 * 10**9


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Two spools: of the collector `noc`, with three parcels, and one of a collector that is not known."""
    path = tmp_path / "base"
    for name, count in (("noc", 3), ("other", 1)):
        spool = open_spool(path / spool_folder(name))
        for number in range(count):
            spool.append(parcel(number))
        spool.close()
    return path


def run(base: Path, *arguments: str) -> int:
    collectors = "--set=collectors=[{url: 'ipfix+tcp://192.0.2.1:4739', name: noc}]"
    return main(["spool", *arguments, f"--set=export.spool_directory={base}", collectors])


def test_ls(base: Path, capsys: Captured) -> None:
    assert run(base, "ls") == ExitCode.OK
    noc, other = spool_folder("noc"), spool_folder("other")
    octets = [sum(path.stat().st_size for path in segments(base / name)) for name in (noc, other)]
    width = len(other)
    assert capsys.readouterr().out.splitlines() == [
        f"{'SPOOL':<{width}}  SEGMENTS  PARCELS  RECORDS  OCTETS  OLDEST               IN USE BY",
        f"{'noc':<{width}}         1        3        6  {octets[0]:>6}  2027-01-15T08:00:00  -",
        f"{other}         1        1        1  {octets[1]:>6}  2027-01-15T08:00:00  -",
    ]


def test_ls_of_one_as_json(base: Path, capsys: Captured) -> None:
    assert run(base, "ls", "noc", "--json") == ExitCode.OK
    (found,) = json.loads(capsys.readouterr().out)
    directory = base / spool_folder("noc")
    assert found == {
        "name": "noc",
        "directory": str(directory),
        "segments": 1,
        "parcels": 3,
        "records": 6,
        "packets": 39,
        "flow_octets": 3021,
        "octets": segments(directory)[0].stat().st_size,
        "oldest_ns": STORED_NS,
        "in_use_by": None,
        "problems": [],
    }


def test_ls_while_it_is_used(base: Path, capsys: Captured) -> None:
    directory = base / spool_folder("noc")
    spool = open_spool(directory)
    spool.take()
    spool.advance(1)
    assert main(["spool", "ls", f"{directory}/"]) == ExitCode.OK
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split()[1:4] == ["1", "2", "5"]
    assert line.endswith(f"process {os.getpid()}")


@pytest.mark.parametrize("name", ["ipfix+tcp://192.0.2.9:4739", spool_folder("ipfix+tcp://192.0.2.9:4739")])
def test_ls_of_one_whose_name_is_its_url(base: Path, capsys: Captured, name: str) -> None:
    spool = open_spool(base / spool_folder("ipfix+tcp://192.0.2.9:4739"))
    spool.append(parcel(0))
    spool.close()
    assert run(base, "ls", name) == ExitCode.OK
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == [name, "1", "1", "1"]


def test_ls_of_nothing(tmp_path: Path, capsys: Captured) -> None:
    assert run(tmp_path / "none", "ls") == ExitCode.OK
    assert capsys.readouterr().out == "no spools\n"


def test_verify(base: Path, capsys: Captured) -> None:
    assert run(base, "verify") == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == [
        "noc: ok, 3 parcels, 6 records",
        f"{spool_folder('other')}: ok, 1 parcels, 1 records",
    ]


def test_verify_says_what_is_wrong(base: Path, capsys: Captured) -> None:
    directory = base / spool_folder("noc")
    (path,) = segments(directory)
    before = path.read_bytes()
    damaged = bytearray(before)
    second = before.index(parcel(1).octets)
    damaged[second + 3] ^= 1
    third = before.index(parcel(2).octets)
    damaged[third - 20] ^= 1
    path.write_bytes(damaged)
    (directory / "notes").write_text("")
    (directory / "position").write_text("")
    assert run(base, "verify", "noc") == ExitCode.DATA
    lines = capsys.readouterr().out.splitlines()
    start = second - 4 - 56
    tail = len(before) - (third - 4 - 56)
    assert lines == [
        f"{directory}/position: damaged; what was delivered may be sent again",
        f"{directory}/{path.name}: octet {third - 60}: {tail} octets are damaged; they will be skipped",
        f"{directory}/{path.name}: octet {start}: a parcel of 2 records is damaged; it will be skipped",
        f"{directory}/notes: not of a spool; remove it",
        "noc: problems: 4, 2 parcels, 3 records",
    ]
    assert path.read_bytes() == damaged, "verify changes nothing"


def test_purge(base: Path, capsys: Captured) -> None:
    directory = base / spool_folder("noc")
    (directory / "notes").write_text("")
    assert run(base, "purge", "noc", "--yes") == ExitCode.OK
    assert capsys.readouterr().out == "removed 6 records of noc\n"
    assert [path.name for path in directory.iterdir()] == ["notes"]
    assert len(segments(base / spool_folder("other"))) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("YES\n", 0), ("\n", 1), ("", 1), ("no\n", 1)])
def test_purge_asks(
    base: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, answer: str, left: int
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert run(base, "purge", "noc") == ExitCode.OK
    assert capsys.readouterr().out.startswith("remove 6 records of noc? [y/N] ")
    assert len(segments(base / spool_folder("noc"))) == left


def test_purge_with_nobody_to_ask(base: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run(base, "purge", "noc") == ExitCode.USAGE
    assert capsys.readouterr().err == "spanflow: nobody is there to be asked; add --yes\n"
    assert len(segments(base / spool_folder("noc"))) == 1


@pytest.mark.parametrize("action", ["purge", "replay"])
def test_while_a_daemon_has_it(base: Path, capsys: Captured, action: str) -> None:
    directory = base / spool_folder("noc")
    spool = open_spool(directory)
    assert run(base, action, "noc", *(["--yes"] if action == "purge" else [])) == ExitCode.UNAVAILABLE
    assert capsys.readouterr().err == (
        f"spanflow: {directory}: in use by process {os.getpid()}; stop that one first\n"
    )
    spool.close()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["purge"], ExitCode.USAGE, "which spool is not said; name it (have: noc, other-"),
        (["replay"], ExitCode.USAGE, "which spool is not said; name it"),
        (["ls", "absent"], ExitCode.NO_INPUT, "absent: no such spool in "),
        (["purge", "absent", "--yes"], ExitCode.NO_INPUT, "name one of these: noc, other-"),
        (["ls", "ipfix+tcp://absent:4739"], ExitCode.NO_INPUT, "ipfix+tcp://absent:4739: no such spool in "),
        (["ls", "./absent"], ExitCode.NO_INPUT, "there is no such directory"),
        (["replay", "noc", "--to", "ipfix+udp://h"], ExitCode.USAGE, "ipfix+udp: the Messages of a spool"),
        (["replay", "noc", "--to", "h"], ExitCode.USAGE, "--to: url: 'h' is no URL"),
        (["replay", "noc", "--to", "json+tcp://h:1"], ExitCode.USAGE, "the spool holds Messages of IPFIX"),
        (["replay", "other", "--set=export.spool_rate=1"], ExitCode.USAGE, "say who gets it with --to"),
        (["frob"], ExitCode.USAGE, "invalid choice: 'frob'"),
    ],
)
def test_what_is_refused(
    base: Path, capsys: Captured, arguments: list[str], code: ExitCode, text: str
) -> None:
    assert run(base, *arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
    assert err.count("\n") == 1
    assert len(segments(base / spool_folder("noc"))) == 1
    assert not (base / spool_folder("absent")).exists()


def test_without_a_directory(capsys: Captured) -> None:
    assert main(["spool", "ls"]) == ExitCode.USAGE
    assert capsys.readouterr().err == (
        "spanflow: export.spool_directory is not set; name the daemon's file with -c, or the directory of a"
        " spool\n"
    )


def test_replay_to_a_collector(base: Path, capsys: Captured) -> None:
    received = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def collect() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(10)
                while octets := connection.recv(65_536):
                    received.extend(octets)

        thread = threading.Thread(target=collect)
        thread.start()
        url = f"ipfix+tcp://127.0.0.1:{listening.getsockname()[1]}"
        code = run(base, "replay", "noc", "--to", url, "--set=export.spool_rate=0")
        thread.join(10)
    assert code == ExitCode.OK, capsys.readouterr().err
    assert capsys.readouterr().out == f"{url}: 6 records delivered\n"
    assert received.startswith(PREFACE)
    assert received.count(b"20000000" * 2) == 2
    assert segments(base / spool_folder("noc")) == []


def test_replay_to_nobody(base: Path, capsys: Captured) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert run(base, "replay", "noc", "--to", f"ipfix+tcp://127.0.0.1:{port}") == ExitCode.UNAVAILABLE
    err = capsys.readouterr().err
    assert err.startswith(f"spanflow: ipfix+tcp://127.0.0.1:{port}: ")
    assert err.endswith("; nothing was sent\n")
    assert len(segments(base / spool_folder("noc"))) == 1


def test_replay_of_json_into_a_file(base: Path, tmp_path: Path, capsys: Captured) -> None:
    spool = open_spool(base / spool_folder("lines"), preface=bytes)
    spool.append(Parcel(b'{"a":1}\n{"a":2}\n', (), Tally(2, 0, 0)))
    spool.close()
    assert run(base, "replay", "lines", "--to", f"json+file://{tmp_path}/out.json") == ExitCode.OK
    assert (tmp_path / "out.json").read_bytes() == b'{"a":1}\n{"a":2}\n'
    assert segments(base / spool_folder("lines")) == []
