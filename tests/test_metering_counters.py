# SPDX-License-Identifier: Apache-2.0
"""What workers published, added up."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from end_to_end.command import DEMO
from spanflow import _core
from spanflow.config.schema import Settings
from spanflow.file_meter import FileMeter
from spanflow.meter import metering_options
from spanflow.metering_counters import ClassificationCounters, MeteringCounters


def native_counters() -> list[dict[str, Any]]:
    """Of three workers that have metered nothing yet."""
    meter = _core.FileMeter([], metering_options(Settings(), None), workers=3, queue_octets=1 << 20)
    return meter.counters()


def test_the_native_module_counts_what_is_known_here() -> None:
    for worker in native_counters():
        assert worker["classification"].keys() == {each.name for each in fields(ClassificationCounters)}
        assert worker.keys() == {each.name for each in fields(MeteringCounters)}


def test_workers_are_added_up() -> None:
    workers = native_counters()
    for number, worker in enumerate(workers, 1):
        worker["classification"] = dict.fromkeys(worker["classification"], number * 10**6)
    total = MeteringCounters.of_workers(workers).classification
    assert total == ClassificationCounters(**dict.fromkeys(workers[0]["classification"], 6 * 10**6))


def test_without_classification_all_is_zero() -> None:
    meter = FileMeter(Settings(), [str(DEMO)])
    meter.start()
    records = [batch.records for batch in meter.batches() if batch is not None]
    assert sum(map(len, records)) == 67
    assert meter.counters().classification == ClassificationCounters()
    assert not any(each["application"].any() or each["application_id"].any() for each in records)
    assert not any(each["details_octets"].any() for each in records)
