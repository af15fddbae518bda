# SPDX-License-Identifier: Apache-2.0
"""What an engine makes of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spanflow.config.schema import Settings
from spanflow.file_meter import FileMeter
from spanflow.metering_counters import MeteringCounters
from spanflow.record import FIRST_PACKET, RECORD, Array
from spanflow.reference.meter import ReferenceMeter


@dataclass(frozen=True, slots=True)
class Outcome:
    """records: those of all batches, dtype RECORD. first_packets: those that belong to each, shape (n, N).

    problems: the kind of each thing that was wrong with the file.
    """

    records: Array
    first_packets: Array
    counters: MeteringCounters
    problems: list[str]


def native(path: Path, settings: Settings) -> Outcome:
    return _outcome(FileMeter(settings, [str(path)]), settings)


def reference(path: Path, settings: Settings) -> Outcome:
    return _outcome(ReferenceMeter(settings, paths=[str(path)]), settings)


def _outcome(meter: FileMeter | ReferenceMeter, settings: Settings) -> Outcome:
    meter.start()
    batches = [batch for batch in meter.batches() if batch is not None]
    meter.raise_if_failed()
    records = np.frombuffer(b"".join(batch.records.tobytes() for batch in batches), RECORD)
    packets = b"".join(batch.first_packets.tobytes() for batch in batches if batch.first_packets is not None)
    first_packets = np.frombuffer(packets, FIRST_PACKET).reshape(len(records), settings.cache.first_packets)
    return Outcome(records, first_packets, meter.counters(), [problem.kind for problem in meter.problems()])
