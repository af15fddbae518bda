# SPDX-License-Identifier: Apache-2.0
"""What a collector may have of a batch: its filter, then its anonymisation, before anything is kept for
it."""

from __future__ import annotations

import numpy as np

from spanflow.applications import Applications
from spanflow.config.schema import Collector
from spanflow.exporting.anonymization import Anonymizer, anonymizer_of
from spanflow.exporting.counters import NOTHING, Tally, tally_of
from spanflow.exporting.group import part_of
from spanflow.exporting.record_filter import filter_of
from spanflow.record import Batch


class Intake:
    """The filter and the anonymisation of one collector. For one thread at a time.

    Raises ConfigError if the key cannot be read, or the filter has a name that the engine does not have.
    """

    def __init__(self, collector: Collector, applications: Applications | None = None) -> None:
        self._filter = filter_of(collector, applications)
        self._anonymizer: Anonymizer | None = anonymizer_of(collector)

    def apply(self, batch: Batch) -> tuple[Batch, Batch, Tally]:
        """What of a batch is for the collector, as it is kept; the same as it was; and how much is not for
        it."""
        filtered = NOTHING
        if self._filter is not None:
            wanted = self._filter.mask(batch)
            if not wanted.all():
                filtered = tally_of(batch, np.flatnonzero(~wanted))
                batch = part_of(batch, np.flatnonzero(wanted))
        kept = batch
        if self._anonymizer is not None and len(batch):
            kept = self._anonymizer.apply(batch)
        return kept, batch, filtered
