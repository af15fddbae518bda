# SPDX-License-Identifier: Apache-2.0
"""Sequence Numbers of one Transport Session and Observation Domain (RFC 7011 section 3.1)."""

from __future__ import annotations

from spanflow.collecting.counters import SequenceCounters

_MODULUS = 1 << 32
_HALF = 1 << 31

MAX_GAPS = 64
"""Gaps that late Messages can still fill; beyond it, the oldest gap stays one."""

REORDER_WINDOW = 1 << 16
"""A Message further behind than this many records is no late one: its Exporting Process started again."""


class SequenceNumbers:
    """Finds lost, late and repeated records of one stream of Messages.

    A Sequence Number is the count of Data Records sent before the Message, modulo 2^32, so a Message of n
    records announces the next number: its own plus n. A jump ahead is a gap. A Message behind that lies in
    a gap is a late one and takes its records out of the missing. Else, a Message behind is a restart when
    its Export Time is younger than all before, or when it is very far behind; if neither, a duplicate.
    Owner: one TransportSession. Memory: at most MAX_GAPS gaps.
    """

    __slots__ = ("_counters", "_first", "_gaps", "_newest_export_time", "_next", "_resync")

    def __init__(self, counters: SequenceCounters) -> None:
        self._counters = counters
        self._next: int | None = None
        self._first = 0
        self._newest_export_time = 0
        self._resync = False
        self._gaps: list[tuple[int, int]] = []
        """(first missing number, records missing)"""

    def observe(self, sequence_number: int, records: int | None, export_time: int) -> None:
        """Account for one Message, in the order of arrival.

        records: its Data Records, options included; None when they could not be counted (a Data Set
        without its Template, a malformed Message): then the next number is not known, and the next
        Message sets it without a gap.
        """
        if self._next is None:
            self._first = self._next = sequence_number
        ahead = (sequence_number - self._next) % _MODULUS
        if ahead >= _HALF:
            behind = _MODULUS - ahead
            if records is not None and behind < records:
                # It begins among known numbers and ends past them: some exporters do not count the
                # records of Options Templates. What is past them is new.
                self._late(sequence_number, behind)
            elif self._is_restart(behind, export_time):
                self._counters.restarts += 1
                self._gaps.clear()
                self._first = sequence_number
            else:
                self._late(sequence_number, records or 0)
                return
        elif ahead and not self._resync:
            self._gap(self._next, ahead)
        self._next = (sequence_number + (records or 0)) % _MODULUS
        self._resync = records is None
        self._newest_export_time = max(self._newest_export_time, export_time)

    def _is_restart(self, behind: int, export_time: int) -> bool:
        return export_time > self._newest_export_time or behind > REORDER_WINDOW

    def _gap(self, start: int, length: int) -> None:
        self._counters.gaps += 1
        self._counters.missing += length
        if len(self._gaps) == MAX_GAPS:
            del self._gaps[0]
        self._gaps.append((start, length))

    def _late(self, sequence_number: int, records: int) -> None:
        for index, (start, length) in enumerate(self._gaps):
            skipped = (sequence_number - start) % _MODULUS
            if skipped >= length:
                continue
            filled = min(records, length - skipped)
            behind = length - skipped - filled
            rest = [(start, skipped), ((start + skipped + filled) % _MODULUS, behind)]
            self._gaps[index : index + 1] = [gap for gap in rest if gap[1]]
            del self._gaps[: max(0, len(self._gaps) - MAX_GAPS)]
            self._counters.missing -= filled
            self._counters.reordered += filled
            self._counters.duplicated += records - filled
            return
        before_first = (self._first - sequence_number) % _MODULUS
        if 0 < before_first <= REORDER_WINDOW:
            # Sent before the first Message that came: nobody has counted these records as missing.
            self._first = sequence_number
            self._counters.reordered += records
        else:
            self._counters.duplicated += records
