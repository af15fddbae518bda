# SPDX-License-Identifier: Apache-2.0
"""A Metering Process as Python sees it: start, batches, counters, stop."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from spanflow import _core
from spanflow.config.schema import Settings
from spanflow.errors import CaptureError, ConfigError, ExitCode, SpanflowError
from spanflow.metering_counters import MeteringCounters
from spanflow.record import RECORD

Batch: TypeAlias = npt.NDArray[np.void]
"""RECORD rows of one IP version, oriented, read-only; the memory goes back to its pool with the last view."""

QUEUE_OCTETS = 8 << 20
"""What may wait between the workers and Python."""

EXIT_CODES = {
    "not_found": ExitCode.NO_INPUT,
    "not_permitted": ExitCode.NO_PERMISSION,
    "unreadable": ExitCode.IO_ERROR,
    "not_a_capture": ExitCode.DATA,
    "damaged": ExitCode.DATA,
    "unsupported": ExitCode.DATA,
}


@dataclass(frozen=True, slots=True)
class InputProblem:
    """A capture file that could not be read, or not to its end. kind: a key of EXIT_CODES."""

    path: str
    kind: str
    text: str

    def error(self) -> CaptureError:
        """The problem as one line, with the exit code that fits it."""
        name = "standard input" if self.path == "-" else self.path
        return CaptureError(f"capture {name}: {self.text}", EXIT_CODES[self.kind])


class Meter:
    """Meters capture files, one after the other, as one input.

    paths: files, `-` for standard input. What is wrong with one of them is in problems() at the end; the
    others are metered all the same. Raises ConfigError when the cache does not fit in memory.
    """

    def __init__(self, settings: Settings, paths: Sequence[str]) -> None:
        capture, cache = settings.capture, settings.cache
        max_flows = cache.max_flows if cache.memory is None else int(cache.memory / _core.FLOW_OCTETS)
        _refuse_if_too_large(max_flows)
        try:
            self._native = _core.Meter(
                [os.fsencode(path) for path in paths],
                active_timeout_ns=cache.active_timeout,
                inactive_timeout_ns=cache.inactive_timeout,
                tcp_linger_ns=cache.tcp_linger,
                tcp_fin_timeout_ns=cache.tcp_fin_timeout,
                reorder_window_ns=capture.reorder_window,
                max_flows=max_flows,
                max_fragments=capture.max_fragments,
                vlan_in_key="vlan" in cache.key,
                interface_in_key="interface" in cache.key,
                preallocate=cache.preallocate,
                filter=capture.filter,
                workers=capture.workers,
                queue_octets=QUEUE_OCTETS,
            )
        except MemoryError:
            raise _too_large(max_flows) from None
        except ValueError as error:
            raise ConfigError(f"cache.max_flows: {max_flows:,}: {error}; set more") from None

    def start(self) -> None:
        """Begin to read. Once only."""
        self._native.start()

    def stop(self) -> None:
        """Read no further; what is cached leaves, and batches() comes to its end."""
        self._native.stop()

    def batches(self, wait_ms: int = 100) -> Iterator[Batch | None]:
        """Each batch as it comes; None after `wait_ms` without one. Ends when all has been handed over."""
        while not self._native.finished():
            batch = self._native.pop(wait_ms)
            yield None if batch is None else np.frombuffer(memoryview(batch), dtype=RECORD)

    def raise_if_failed(self) -> None:
        """After the end: raises SpanflowError if a worker died, ConfigError if the filter did not compile.

        A filter may compile for one link type and not for another that the input has too.
        """
        if failure := self._native.failure():
            raise SpanflowError(f"metering: {failure}; records are missing, start again with a smaller cache")
        if error := self._native.filter_error():
            raise ConfigError(f"capture.filter: {error}; see pcap-filter(7)")

    def counters(self) -> MeteringCounters:
        """A snapshot; while a worker runs it is up to 2,048 packets old."""
        return MeteringCounters.of_workers(self._native.counters())

    def problems(self) -> list[InputProblem]:
        """What is wrong with the input so far."""
        return [InputProblem(os.fsdecode(path), kind, text) for path, kind, text in self._native.problems()]

    def octets_read(self) -> int:
        """Octets of all files so far."""
        return self._native.octets_read()


def _refuse_if_too_large(max_flows: int) -> None:
    """Memory is taken as Flows come: a cache that cannot fit would end the process when it fills, not now."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if max_flows * _core.FLOW_OCTETS > physical:
        raise _too_large(max_flows)


def _too_large(max_flows: int) -> ConfigError:
    needed = max_flows * _core.FLOW_OCTETS / (1 << 30)
    return ConfigError(
        f"cache.max_flows: {max_flows:,} Flows take {needed:,.1f} GiB, more than this machine has;"
        " set fewer, or cache.memory"
    )
