# SPDX-License-Identifier: Apache-2.0
"""The log of the daemon: text, JSON or the journal, with fields, and not more of it than a person can read.

A message is a constant; what varies comes in `extra=` and is shown as fields. Values may come from packets:
none of them can begin a line, move a cursor, or be longer than FIELD_CHARACTERS.
"""

from __future__ import annotations

import importlib
import json
import logging
import math
import os
import sys
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from spanflow.config.wording import shown

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

INTERVAL_S = 10.0
"""A class of event has one line in this time."""

MOST_CLASSES = 512
"""Classes that are remembered; the one that was quiet for longest goes, and with it its count."""

FIELD_CHARACTERS = 1024
TRACEBACK_CHARACTERS = 16_384

MESSAGE_ID_NAMESPACE = uuid.UUID("6d3b8b0e-3c0f-5a6e-9b57-6f0b1d6c2a41")
"""MESSAGE_ID in the journal is the UUID version 5 of the message text in this namespace."""

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")

_SUBJECTS = ("interface", "collector", "stalled")

UNLIMITED = {"unlimited": True}
"""In `extra=`: this line is not held back. For answers to an operator, and for sums over a time."""

# What a record has without any extra of a caller; some depend on the version of Python and on formatters.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "unlimited"}

# syslog(3)
_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)

SendFields = Callable[..., object]
"""Sends one entry to the journal, each argument `KEY=value` in UTF-8; raises OSError when it cannot."""


def configure(
    format: str,
    level: str,
    *,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Set up the logger `spanflow`; again, when it was set up before.

    format: auto, text, json or journal; auto is journal where `stream` is the journal's, else text.
    level: debug, info, warning or error. stream: standard error if not given. clock: seconds, never back.
    """
    stream = sys.stderr if stream is None else stream
    if format == "auto":
        format = "journal" if _is_journal(stream, environ) else "text"
    handler: logging.Handler
    if format == "journal":
        handler = JournalHandler(stream, _journal_send())
    else:
        handler = LineHandler(stream)
        handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    handler.addFilter(RateLimit(clock))
    logger = logging.getLogger("spanflow")
    for before in logger.handlers[:]:
        logger.removeHandler(before)
    logger.addHandler(handler)
    logger.setLevel(LEVELS[level])


@contextmanager
def warnings_shown(stream: TextIO) -> Iterator[None]:
    """Lines of text for warnings and errors, while a command that ends by itself is at work."""
    handler = LineHandler(stream)
    handler.setFormatter(TextFormatter())
    handler.setLevel(logging.WARNING)
    handler.addFilter(RateLimit(time.monotonic))
    logger = logging.getLogger("spanflow")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@dataclass(slots=True)
class _Window:
    """One class of event: when its next line is due, and how many were held back since the last."""

    due: float
    held_back: int = 0


class RateLimit(logging.Filter):
    """One line for each class of event in INTERVAL_S; the next one tells how many there were (`held_back`).

    A class is a message and its subject: the interface, the collector. The count comes with the next line of
    the class, however late, and not by itself. Debug is not limited. Used by several threads.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: OrderedDict[tuple[str, ...], _Window] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno <= logging.DEBUG or getattr(record, "unlimited", False):
            return True
        subjects = (str(getattr(record, name, "")) for name in _SUBJECTS)
        key = (str(record.msg), *subjects)
        now = self._clock()
        with self._lock:
            window = self._windows.get(key)
            if window is not None and now < window.due:
                window.held_back += 1
                return False
            if window is not None and window.held_back:
                record.held_back = window.held_back
            self._windows[key] = _Window(now + INTERVAL_S)
            self._windows.move_to_end(key)
            if len(self._windows) > MOST_CLASSES:
                self._windows.popitem(last=False)
        return True


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes to a stream. One that is full, closed or gone costs the line, not the daemon."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
            super().handleError(record)


class JournalHandler(LineHandler):
    """Sends native entries; where it cannot, writes lines with the priority that journald reads."""

    def __init__(self, stream: TextIO, send: SendFields | None) -> None:
        super().__init__(stream)
        self._send = send
        self.setFormatter(PriorityFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        if self._send is not None:
            try:
                self._send(*_journal_fields(record))
                return
            except OSError:
                pass
            except Exception:  # a defect in here, as logging treats one
                self.handleError(record)
                return
        super().emit(record)


class TextFormatter(logging.Formatter):
    """One line: time, level, message, then `key=value`, quoted where it would be misread otherwise."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{_time(record)} {record.levelname.lower()} {_line(record)}"


class JsonFormatter(logging.Formatter):
    """One object on one line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": _cut(record.getMessage()),
            "logger": record.name,
        }
        for name, value in _fields(record).items():
            line.setdefault(name, value)
        return json.dumps(line, default=str, allow_nan=False)


class PriorityFormatter(logging.Formatter):
    """`<4>` and the line: sd-daemon(3). The journal has the time itself."""

    def format(self, record: logging.LogRecord) -> str:
        return f"<{_priority(record)}>{_line(record)}"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What came in `extra=`, then the traceback. Each value is None, bool, a finite number or text."""
    given = {name: _value(value) for name, value in vars(record).items() if name not in _STANDARD}
    if record.exc_info and record.exc_info[0] is not None:
        text = logging.Formatter().formatException(record.exc_info)
        given["traceback"] = _cut(text, TRACEBACK_CHARACTERS)
    return given


def _value(value: object) -> object:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, (bytes, bytearray)) else str(value)
    return _cut(text)


def _cut(text: str, limit: int = FIELD_CHARACTERS) -> str:
    """Not longer than `limit`, and of characters that UTF-8 has: lone surrogates are escaped."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text.encode("utf-8", "backslashreplace").decode()


def _line(record: logging.LogRecord) -> str:
    """The message and its fields, on one line."""
    words = [shown(record.getMessage(), FIELD_CHARACTERS)]
    words += [f"{name}={_word(value)}" for name, value in _fields(record).items()]
    return " ".join(words)


def _word(value: object) -> str:
    """A value without space in it, or in double quotes with backslash escapes."""
    if not isinstance(value, str):
        return json.dumps(value)
    if value and value.isprintable() and not any(c in ' "=\\' for c in value):
        return value
    plain = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{shown(plain, len(plain))}"'


def _time(record: logging.LogRecord) -> str:
    seconds, milliseconds = divmod(int(record.created * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{milliseconds:03d}Z"


def _priority(record: logging.LogRecord) -> int:
    return next((priority for level, priority in _PRIORITIES if record.levelno >= level), 7)


def _journal_fields(record: logging.LogRecord) -> list[bytes]:
    """An entry, as systemd.journal-fields(7). MESSAGE has the fields too: it is all that journalctl shows."""
    entry: dict[str, object] = {
        "MESSAGE": _line(record),
        "MESSAGE_ID": uuid.uuid5(MESSAGE_ID_NAMESPACE, str(record.msg)).hex,
        "PRIORITY": _priority(record),
        "SYSLOG_IDENTIFIER": "spanflow",
        "LOGGER": record.name,
        "CODE_FILE": record.pathname,
        "CODE_LINE": record.lineno,
        "CODE_FUNC": record.funcName,
    }
    for name, value in _fields(record).items():
        # Of a field's name the journal takes capital ASCII letters, digits and underscores, 64 at most.
        known = "".join(c if c.isascii() and c.isalnum() else "_" for c in name.upper())
        entry[f"SPANFLOW_{known}"[:64]] = value if isinstance(value, str) else json.dumps(value)
    return [f"{name}={value}".encode("utf-8", "backslashreplace") for name, value in entry.items()]


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Does systemd say (JOURNAL_STREAM: device and inode) that this stream goes to the journal?"""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no descriptor, or a closed one
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _journal_send() -> SendFields | None:
    """systemd-python's, if it is installed and a journal runs: without one it drops entries silently."""
    if not JOURNAL_SOCKET.is_socket():
        return None
    try:
        send: SendFields = importlib.import_module("systemd.journal").sendv
    except (ImportError, AttributeError):  # another package may be called systemd
        return None
    return send
