# SPDX-License-Identifier: Apache-2.0
"""The log: what a line looks like in each format, what cannot get into it, and how many lines there are."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanflow.logs import (
    FIELD_CHARACTERS,
    MESSAGE_ID_NAMESPACE,
    TRACEBACK_CHARACTERS,
    configure,
    warnings_shown,
)

JOURNAL_CHILD = Path(__file__).parent / "journal_child.py"

log = logging.getLogger("spanflow.somewhere")


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def logger_as_before() -> Iterator[None]:
    logger = logging.getLogger("spanflow")
    handlers, level = logger.handlers[:], logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def lines(format: str, *events: tuple[str, dict[str, Any]], level: str = "info") -> list[str]:
    """The lines of these warnings (message, fields)."""
    stream = io.StringIO()
    configure(format, level, stream=stream, clock=Clock())
    for message, fields in events:
        log.warning(message, extra=fields)
    text = stream.getvalue()
    assert text.endswith("\n") or not text
    return text.split("\n")[:-1]


def test_text_is_time_level_message_fields() -> None:
    (line,) = lines(
        "text", ("collector lost", {"collector": "noc", "error": "connection refused", "tries": 3})
    )
    time, _, rest = line.partition(" ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)
    assert rest == 'warning collector lost collector=noc error="connection refused" tries=3'


def test_the_time_is_utc_with_milliseconds() -> None:
    stream = io.StringIO()
    configure("text", "info", stream=stream, clock=Clock())
    record = log.makeRecord(log.name, logging.ERROR, "", 0, "x", (), None)
    record.created = 1_700_000_000.0259
    log.handle(record)
    assert stream.getvalue() == "2023-11-14T22:13:20.025Z error x\n"


VALUES: list[tuple[str, object, str]] = [
    ("a word", "eth0", "eth0"),
    ("a URL", "ipfix+udp://[2001:db8::1]:4739", "ipfix+udp://[2001:db8::1]:4739"),
    ("words of any language", "süd", "süd"),
    ("a space", "two words", '"two words"'),
    ("empty", "", '""'),
    ("an equals sign would begin a field", "a=b", '"a=b"'),
    ("quotes", 'say "no"', '"say \\"no\\""'),
    ("a backslash", "a\\nb", '"a\\\\nb"'),
    ("a line feed would begin a line", "a\n2026-01-01 error forged", '"a\\n2026-01-01 error forged"'),
    ("a carriage return would overwrite it", "a\rb", '"a\\rb"'),
    ("escape sequences", "\x1b]0;title\x07", '"\\x1b]0;title\\x07"'),
    ("C1 controls", "a\x9b31m", '"a\\x9b31m"'),
    ("writing direction", "a\u202eb", '"a\\u202eb"'),
    ("line separator", "a\u2028b", '"a\\u2028b"'),
    ("NUL", "a\0b", '"a\\x00b"'),
    ("octets", b"example.org", "example.org"),
    ("octets that are not UTF-8", b"\xff\x1b[2Jx", '"\\\\xff\\x1b[2Jx"'),
    ("a name from the system that is not UTF-8", "f\udcff", '"f\\\\udcff"'),
    ("nothing", None, "null"),
    ("a truth", True, "true"),
    ("a number", 1.5, "1.5"),
    ("not a number", float("nan"), "nan"),
    ("an exception", OSError(111, "Connection refused"), '"[Errno 111] Connection refused"'),
    ("several", ("eth0", "eth1"), "\"('eth0', 'eth1')\""),
]


@pytest.mark.parametrize(("value", "shown"), [row[1:] for row in VALUES], ids=[row[0] for row in VALUES])
def test_a_value_in_text(value: object, shown: str) -> None:
    (line,) = lines("text", ("event", {"value": value}))
    assert line.partition(" event value=")[2] == shown


@pytest.mark.parametrize("format", ["text", "json", "journal"])
@given(value=st.one_of(st.text(), st.binary(), st.text(st.characters(categories=["Cs", "Cc", "Cf"]))))
def test_no_value_breaks_a_line(format: str, value: object) -> None:
    (line,) = lines(format, ("event", {"value": value}))
    assert line.isprintable()
    if format == "json":
        assert line.isascii()
        shown = json.loads(line)["value"]
        shown.encode("utf-8")  # no lone surrogates
        if isinstance(value, str) and not re.search("[\ud800-\udfff]", value):
            assert shown == value


def test_json_is_one_object_a_line() -> None:
    fields = {"collector": "noc", "error": "a\n\x1b[0m", "tries": 3, "ratio": float("inf"), "up": False}
    (line,) = lines("json", ("collector lost", {**fields, "level": "forged"}))
    found = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[0-9:.]{12}Z", found.pop("time"))
    assert found == {
        "level": "warning",
        "message": "collector lost",
        "logger": "spanflow.somewhere",
        "collector": "noc",
        "error": "a\n\x1b[0m",
        "tries": 3,
        "ratio": "inf",
        "up": False,
    }


PRIORITIES = [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 2)]


@pytest.mark.parametrize(("level", "priority"), PRIORITIES)
def test_for_the_journal_a_line_begins_with_its_priority(level: str, priority: int) -> None:
    stream = io.StringIO()
    configure("journal", "debug", stream=stream, clock=Clock())
    getattr(log, level)("interface lost", extra={"interface": "eth0"})
    assert stream.getvalue() == f"<{priority}>interface lost interface=eth0\n"


def test_a_field_is_not_longer_than_its_limit() -> None:
    (line,) = lines("json", ("event", {"host": "x" * 70_000}))
    host = json.loads(line)["host"]
    assert len(host) == FIELD_CHARACTERS
    assert host.endswith("x…")


def test_an_exception_is_a_field() -> None:
    stream = io.StringIO()
    configure("text", "info", stream=stream, clock=Clock())
    try:
        raise ValueError("first\nsecond " + "x" * 2 * TRACEBACK_CHARACTERS)
    except ValueError:
        log.exception("thread ended", extra={"thread_id": 7})
    (line,) = stream.getvalue().splitlines()
    assert ' error thread ended thread_id=7 traceback="Traceback (most recent call last):\\n' in line
    assert len(line) < TRACEBACK_CHARACTERS * 1.1


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_level(level: str, seen: list[str]) -> None:
    stream = io.StringIO()
    configure("text", level, stream=stream, clock=Clock())
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)(f"at {name}")
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == seen


def test_configured_again_it_writes_once_and_to_the_new_stream() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure("text", "error", stream=first, clock=Clock())
    configure("json", "info", stream=second, clock=Clock())
    log.info("here")
    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["message"] == "here"
    assert not first.closed


@pytest.mark.parametrize("format", ["text", "json", "journal"])
def test_a_stream_that_is_gone_does_not_end_the_daemon(
    format: str, capfd: pytest.CaptureFixture[str]
) -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w", buffering=1) as stream:
        configure(format, "info", stream=stream, clock=Clock())
        os.close(read)
        log.info("nobody reads it")
        os.dup2(os.open(os.devnull, os.O_WRONLY), write)  # so that its close can flush
    log.info("nor this, after the close")
    assert capfd.readouterr() == ("", "")


def test_a_defect_in_a_value_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    class Defect:
        def __str__(self) -> str:
            raise ZeroDivisionError

    assert lines("text", ("event", {"value": Defect()})) == []
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_auto_is_journal_where_the_stream_is_the_journals(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w+") as stream:
        status = os.fstat(stream.fileno())
        for journal_stream, begin in [
            (f"{status.st_dev}:{status.st_ino}", r"<6>event"),
            (f"{status.st_dev}:{status.st_ino + 1}", r"\d{4}-"),
            ("nonsense", r"\d{4}-"),
        ]:
            configure(
                "auto", "info", stream=stream, clock=Clock(), environ={"JOURNAL_STREAM": journal_stream}
            )
            stream.seek(0)
            stream.truncate()
            log.info("event")
            stream.seek(0)
            assert re.match(begin, stream.read())


def test_auto_is_text_without_a_descriptor() -> None:
    stream = io.StringIO()
    configure("auto", "info", stream=stream, clock=Clock(), environ={"JOURNAL_STREAM": "1:2"})
    log.info("event")
    assert re.match(r"\d{4}-.* info event\n$", stream.getvalue())


def journal_child(*options: str) -> dict[str, Any]:
    """What the child saw at a socket in the place of journald's, in a mount namespace of its own."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", *user, "--mount", sys.executable, str(JOURNAL_CHILD), *options],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "stderr": done.stderr}


def test_the_journal_gets_native_fields() -> None:
    found = journal_child()
    assert found["stderr"] == ""
    (entry,) = found["entries"]
    message = "collector lost"
    assert entry.pop("CODE_LINE").isdecimal()
    assert entry == {
        "MESSAGE": 'collector lost collector=noc error="first\\nsecond \\x1b \\\\udcff" weird_näme=1 tries=3',
        "MESSAGE_ID": uuid.uuid5(MESSAGE_ID_NAMESPACE, message).hex,
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "spanflow",
        "LOGGER": "spanflow.somewhere",
        "CODE_FILE": str(JOURNAL_CHILD),
        "CODE_FUNC": "main",
        "SPANFLOW_COLLECTOR": "noc",
        "SPANFLOW_ERROR": "first\nsecond \x1b \\udcff",
        "SPANFLOW_WEIRD_N_ME": "1",
        "SPANFLOW_TRIES": "3",
    }


FALLBACKS = {
    "no journal": "--without-journal",
    "no systemd-python": "--without-library",
    "a journal that is gone": "--journal-ends",
}


@pytest.mark.parametrize("option", FALLBACKS.values(), ids=FALLBACKS.keys())
def test_without_a_journal_or_the_library_it_is_lines(option: str) -> None:
    found = journal_child(option)
    assert found["entries"] == []
    assert found["stderr"].startswith("<4>collector lost collector=noc ")
    assert found["stderr"].count("\n") == 1


@pytest.mark.parametrize("site_packages", [True, False])
def test_nothing_heavy_is_loaded(site_packages: bool) -> None:
    script = (
        "import sys; from spanflow.logs import configure; configure('auto', 'info');"
        "print(sorted(sys.modules.keys() & {'numpy', 'spanflow.meter', 'spanflow.status'}))"
    )
    options = [] if site_packages else ["-S"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "daemon")}
    done = subprocess.run(
        [sys.executable, *options, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_warnings_of_a_command_that_ends_by_itself() -> None:
    stream = io.StringIO()
    with warnings_shown(stream):
        log.info("begun")
        log.warning("collector not connected", extra={"collector": "noc", "error": "refused; start it"})
    log.warning("too late")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith('Z warning collector not connected collector=noc error="refused; start it"')
