# SPDX-License-Identifier: Apache-2.0
"""Decoded Messages: the same for IPFIX, NetFlow v9 and NetFlow v5."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from spanflow.collecting.malformed import Reason
from spanflow.collecting.records import DataRecord
from spanflow.collecting.templates import Template


class Version(IntEnum):
    """The Version Number with which each Message starts."""

    NETFLOW5 = 5
    NETFLOW9 = 9
    IPFIX = 10

    @property
    def title(self) -> str:
        """As people write it."""
        return "IPFIX" if self is Version.IPFIX else f"NetFlow v{self.value}"


class Header(NamedTuple):
    """A Message Header that fits its Message.

    export_time: Unix seconds. sequence_number: of Data Records (IPFIX), of packets (v9), of flows (v5).
    observation_domain_id: the Source ID of v9; the engine of v5, its type in the upper octet of two.
    """

    export_time: int
    sequence_number: int
    observation_domain_id: int
    version: Version = Version.IPFIX
    export_time_ns: int = 0
    """NetFlow: the export time in ns since the Unix epoch; v5 tells more than seconds."""
    system_uptime_ms: int = 0
    """NetFlow: milliseconds since the exporter started, modulo 2^32, at that time."""
    record_count: int = 0
    """NetFlow: records of all kinds that the Message says it has."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """The Data Records of one Data Set; there is at least one."""

    template: Template
    records: list[DataRecord]


@dataclass(slots=True)
class Message:
    """A decoded Message."""

    header: Header
    data_sets: list[DataSet] = field(default_factory=list)
    new_templates: list[Template] = field(default_factory=list)
    """Templates that were not in force before; refreshes are not among them."""
    ignored: Counter[Reason] = field(default_factory=Counter)
    """What was skipped in it, or is wrong without harm; the rest is valid."""

    @property
    def records(self) -> int:
        """Data Records, those of Options Templates included."""
        return sum(len(data_set.records) for data_set in self.data_sets)
