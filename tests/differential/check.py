# SPDX-License-Identifier: Apache-2.0
"""One scenario through both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from traceback import format_tb

from differential import engines
from differential.agree import AddressPair, address_pair, differences
from differential.coverage import Coverage
from differential.scenarios import Scenario
from metering.native import settings_of
from spanflow.reference.capture import CaptureFiles
from spanflow.reference.frame import DiscardError
from spanflow.reference.network import decode


def check(scenario: Scenario, folder: Path, coverage: Coverage | None = None) -> list[str]:
    """What differs. folder: where the capture is written to."""
    path = scenario.crafted.write(folder)
    settings = settings_of(**scenario.options)
    try:
        native = engines.native(path, settings)
        reference = engines.reference(path, settings)
    except Exception as error:  # whatever an engine raises on a capture is what we look for
        return [f"{type(error).__name__}: {error}", *format_tb(error.__traceback__)[-2:]]
    if coverage is not None:
        coverage.add(scenario, native)
    late = native.counters.late or reference.counters.late
    apart = frozenset(late_pairs(path, settings.capture.reorder_window) if late else ())
    return differences(native, reference, apart)


def late_pairs(path: Path, window_ns: int) -> Iterator[AddressPair]:
    """The ends of which a packet is late (semantics 9.3)."""
    clock_ns = 0
    for frame in CaptureFiles([str(path)], Event()).frames():
        clock_ns = max(clock_ns, frame.time_ns)
        if frame.time_ns < clock_ns - window_ns:
            try:
                packet = decode(frame)
            except DiscardError:
                continue
            yield address_pair(packet.source_address, packet.destination_address)
