# SPDX-License-Identifier: Apache-2.0
"""Tables and summaries for people: flows as aligned rows, facts as aligned numbers.

Numbers are rounded for the eye here; exact ones are in the JSON output and in the records themselves.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TextIO

from spanflow.cli.flow_rows import FlowRow
from spanflow.collecting.values import calendar_text
from spanflow.short_numbers import human

_PROTOCOLS = {
    0: "HOPOPT",
    1: "ICMP",
    2: "IGMP",
    4: "IPIP",
    6: "TCP",
    8: "EGP",
    17: "UDP",
    33: "DCCP",
    41: "IPv6",
    46: "RSVP",
    47: "GRE",
    50: "ESP",
    51: "AH",
    58: "ICMPv6",
    59: "NoNxt",
    88: "EIGRP",
    89: "OSPF",
    103: "PIM",
    112: "VRRP",
    115: "L2TP",
    132: "SCTP",
    136: "UDPLite",
    137: "MPLS",
}
_FLAG_LETTERS = "CEUAPRSF"
"""CWR ECE URG ACK PSH RST SYN FIN: the low 8 bits of tcpControlBits, highest first."""

_LACK_OF_RESOURCES = 5
_END_REASONS = {1: "idle", 2: "active", 3: "end", 4: "forced", _LACK_OF_RESOURCES: "resources"}
"""flowEndReason: idle timeout, active timeout, end of Flow detected, forced end, lack of resources."""

_LONGEST_NAME = 40
"""It may be what anybody sent: two application names of RFC 6759's width find room."""

_UNKNOWN = "-"
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Style:
    """How one output stream wants its text. width: columns, None where lines may have any length."""

    width: int | None = None
    height: int | None = None
    colour: bool = False
    arrow: str = "→"
    ellipsis: str = "…"

    @classmethod
    def of(cls, stream: TextIO) -> Style:
        """The style of a terminal, or of a pipe or file: no colour, no limit of width."""
        unicode = _can_write("→…", stream.encoding or "ascii")
        arrow, ellipsis = ("→", "…") if unicode else ("->", "~")
        if not stream.isatty():
            return cls(arrow=arrow, ellipsis=ellipsis)
        size = shutil.get_terminal_size()
        # https://no-color.org: any value but an empty one turns colours off.
        colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in (None, "dumb")
        return cls(size.columns, size.lines, colour, arrow, ellipsis)

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self.colour else text

    def warning(self, text: str) -> str:
        return f"\x1b[33m{text}\x1b[0m" if self.colour else text


def _can_write(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def escape(text: str) -> str:
    """Text from the network, made harmless: what is not printable becomes an escape (a bell \\x07)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def seconds_text(duration_ns: int) -> str:
    """A duration in seconds with milliseconds."""
    milliseconds = (duration_ns + 500_000) // 1_000_000
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}s"


def flag_letters(tcp_control_bits: int) -> str:
    """TCP flags as letters, CEUAPRSF in this order; "." if none is set."""
    bits = ((0x80 >> index, letter) for index, letter in enumerate(_FLAG_LETTERS))
    return "".join(letter for bit, letter in bits if tcp_control_bits & bit) or "."


class _Column(NamedTuple):
    """title, smallest width, how to write the cell; see FlowTable for the rest."""

    title: str
    width: int
    cell: Callable[[FlowRow], str]
    right: bool = False
    drop: int = 0
    """0: always shown; else the columns with the lowest number go first where the width does not do."""
    optional: bool = False
    """Only shown once a row has something to say."""
    step: int = 1
    """It grows by so many characters, so that ever longer texts do not repeat the header often."""


class FlowTable:
    """Writes flows as aligned rows under a header.

    Column widths only grow, with what the rows need; when they do, the header is written again. On a
    terminal it is also repeated once per screen, and the least important columns are left out where the
    width does not do. Addresses are never cut.
    """

    def __init__(self, style: Style) -> None:
        self._style = style
        self._columns = _columns(style)
        self._widths = [0 if column.optional else column.width for column in self._columns]
        self._shown: list[int] = []
        self._rows_since_header = 0

    def lines(self, rows: Sequence[FlowRow]) -> list[str]:
        """The lines for some more rows, the header among them where one is due."""
        if not rows:
            return []
        cells = [[column.cell(row) for column in self._columns] for row in rows]
        header_due = self._fit(cells) or not self._shown
        if header_due:
            self._shown = self._choose_columns()
        lines: list[str] = []
        for row, texts in zip(rows, cells, strict=True):
            if header_due or self._rows_since_header == self._rows_per_screen:
                lines.append(self._style.bold(self._line([column.title for column in self._columns])))
                self._rows_since_header = 0
                header_due = False
            line = self._line(texts)
            lines.append(self._style.warning(line) if row.flow_end_reason == _LACK_OF_RESOURCES else line)
            self._rows_since_header += 1
        return lines

    def record_line(self, values: Mapping[str, Any]) -> str:
        """The line for a Data Record that is no flow: its elements, cut to the terminal's width."""
        text = " ".join(f"{escape(name)}={escape(str(value))}" for name, value in values.items())
        width = self._style.width
        return text if width is None or len(text) <= width else text[: width - 1] + self._style.ellipsis

    @property
    def _rows_per_screen(self) -> int | None:
        return max(self._style.height - 1, 10) if self._style.height else None

    def _fit(self, cells: Sequence[Sequence[str]]) -> bool:
        """Widen the columns to what these cells need; true if one grew."""
        before = self._widths.copy()
        for index, column in enumerate(self._columns):
            longest = max((len(texts[index]) for texts in cells), default=0)
            if longest > self._widths[index]:
                steps = -(-max(0, longest - column.width) // column.step)
                self._widths[index] = column.width + steps * column.step
        return self._widths != before

    def _choose_columns(self) -> list[int]:
        shown = [index for index, width in enumerate(self._widths) if width]
        droppable = sorted((i for i in shown if self._columns[i].drop), key=lambda i: self._columns[i].drop)
        for index in droppable:
            if self._style.width is None or self._total_width(shown) <= self._style.width:
                break
            shown.remove(index)
        return shown

    def _total_width(self, shown: Sequence[int]) -> int:
        return sum(self._widths[index] for index in shown) + len(_GAP) * (len(shown) - 1)

    def _line(self, texts: Sequence[str]) -> str:
        padded = (
            texts[i].rjust(self._widths[i]) if self._columns[i].right else texts[i].ljust(self._widths[i])
            for i in self._shown
        )
        return _GAP.join(padded).rstrip()


def _columns(style: Style) -> tuple[_Column, ...]:
    pointer = style.arrow + " "
    indent = " " * len(pointer)
    return (
        _Column("date", 10, _date, drop=2),
        _Column("time (UTC)", 12, _time, drop=9),
        _Column("duration", 8, _duration, right=True, drop=4),
        _Column("proto", 5, _protocol),
        _Column("source", 21, lambda row: _endpoint(row.source_address, row.source_port), step=8),
        _Column(
            indent + "destination",
            21 + len(pointer),
            lambda row: pointer + _endpoint(row.destination_address, row.destination_port),
            step=8,
        ),
        _Column("application", 11, lambda row: _cut(row.application, style), drop=10, optional=True, step=4),
        _Column("packets", 7, lambda row: _both(map(human, row.packets)), right=True, drop=7),
        _Column("octets", 7, lambda row: _both(map(human, row.octets)), right=True),
        _Column("flags", 9, _flags, drop=5),
        _Column("end", 9, _end_reason, drop=3),
        _Column("vlan", 4, _vlan, right=True, drop=6, optional=True),
        _Column("sampling", 8, _sampling, right=True, drop=8, optional=True),
        _Column("in", 4, lambda row: _cut(row.ingress_interface, style), drop=1, optional=True, step=4),
        _Column("out", 4, lambda row: _cut(row.egress_interface, style), drop=1, optional=True, step=4),
    )


def _date(row: FlowRow) -> str:
    text = None if row.start_ns is None else calendar_text(row.start_ns // 1_000_000_000)
    return _UNKNOWN if text is None else text[:10]


def _time(row: FlowRow) -> str:
    if row.start_ns is None:
        return _UNKNOWN
    text = calendar_text(row.start_ns // 1_000_000_000)
    return _UNKNOWN if text is None else f"{text[11:]}.{row.start_ns // 1_000_000 % 1000:03d}"


def _duration(row: FlowRow) -> str:
    # A clock that was set back, or an exporter's mistake, can make it negative.
    return _UNKNOWN if row.duration_ns is None or row.duration_ns < 0 else seconds_text(row.duration_ns)


def _protocol(row: FlowRow) -> str:
    if row.protocol is None:
        return _UNKNOWN
    return _PROTOCOLS.get(row.protocol, str(row.protocol))


def _endpoint(address: str, port: int | None) -> str:
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _cut(name: str, style: Style) -> str:
    text = escape(name)
    return (
        text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - len(style.ellipsis)] + style.ellipsis
    )


def _both(texts: Iterable[str]) -> str:
    """The texts of one or both directions."""
    return "/".join(texts) or _UNKNOWN


def _flags(row: FlowRow) -> str:
    """TCP flags, or ICMP type and code, of each direction."""
    if row.icmp_type_codes:
        return _both(f"{code >> 8}.{code & 0xFF}" for code in row.icmp_type_codes)
    return _both(map(flag_letters, row.tcp_control_bits))


def _end_reason(row: FlowRow) -> str:
    if row.flow_end_reason is None:
        return _UNKNOWN
    return _END_REASONS.get(row.flow_end_reason, str(row.flow_end_reason))


def _sampling(row: FlowRow) -> str:
    # That nothing was left out is what everybody takes for granted.
    return "" if row.sampling is None or row.sampling == 1 else f"1:{row.sampling:.10g}"


def _vlan(row: FlowRow) -> str:
    return "" if row.vlan_id is None else str(row.vlan_id)


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a summary. note: what explains the value; level: how deep under the facts before."""

    label: str
    value: int | float | str
    note: str = ""
    level: int = 0
    warning: bool = False


def summary_lines(title: str, facts: Sequence[Fact], style: Style) -> list[str]:
    """A title and, under it, labels to the left and numbers to the right, with thousands separated."""
    labels = ["  " * (fact.level + 1) + escape(fact.label) for fact in facts]
    values = [f"{fact.value:,}" if not isinstance(fact.value, str) else escape(fact.value) for fact in facts]
    label_width = max(map(len, labels), default=0)
    value_width = max(map(len, values), default=0)
    lines = [style.bold(escape(title))] if title else []
    for fact, label, value in zip(facts, labels, values, strict=True):
        line = f"{label:<{label_width}}  {value:>{value_width}}  {escape(fact.note)}".rstrip()
        lines.append(style.warning(line) if fact.warning else line)
    return lines
