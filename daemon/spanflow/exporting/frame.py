# SPDX-License-Identifier: Apache-2.0
"""What stands around Data Records in Messages of a protocol, said once for whole runs of Messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spanflow.record import Array

MODULUS = 1 << 32
"""Sequence numbers and times in headers wrap here."""

Members = tuple[tuple[str, str], ...]
"""Names of a header's members and their numpy types, in their order."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The headers of a Message with one Set of Data Records.

    Members with these names are computed: `length` (octets of the Message), `set_length`, `count` (of Data
    Records), `set_id` and `sequence_number`. constants: the values of members that are always the same. All
    other members have one value for all Messages that are made at one time.

    set_header: none if the records follow the Message header. alignment: Sets are filled up with zero octets
    to a multiple of so many. most_records: in one Message. counts_messages: the sequence number counts
    Messages, otherwise Data Records.
    """

    message_header: Members
    constants: Mapping[str, int]
    set_header: Members = ()
    alignment: int = 1
    most_records: int = 65535
    counts_messages: bool = False
    message_header_octets: int = field(init=False)
    headers_octets: int = field(init=False)
    """Of both headers."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message_header_octets", np.dtype([*self.message_header]).itemsize)
        object.__setattr__(self, "headers_octets", np.dtype([*self.headers]).itemsize)

    @property
    def headers(self) -> Members:
        """The members of both headers."""
        return self.message_header + self.set_header

    def records_in(self, message_octets: int, record_octets: int) -> int:
        """How many Data Records of this length fit into a Message with its padding."""
        set_octets = (message_octets - self.message_header_octets) // self.alignment * self.alignment
        header_octets = self.headers_octets - self.message_header_octets
        return min(self.most_records, (set_octets - header_octets) // record_octets)

    def octets_with(self, records_octets: int) -> int:
        """Octets of a Message with so many octets of Data Records: with both headers and padding."""
        set_octets = self.headers_octets - self.message_header_octets + records_octets
        return self.message_header_octets - (-set_octets // self.alignment) * self.alignment

    def begin(self, headers: Array, template_id: int) -> None:
        """Write what all Messages with Data Records of a template have in common."""
        for name, value in self.constants.items():
            headers[name] = value
        if self.set_header:
            headers["set_id"] = template_id

    def fill(
        self,
        headers: Array,
        before: Array,
        octets: Any,
        records: Any,
        sequence_number: int,
        moment: Mapping[str, int],
    ) -> None:
        """Write all the rest. before: for each Message what the sequence number counts in those before it.

        octets, records: of each Message, or of all. moment: the members that depend on the time.
        """
        # uint32 wraps by itself (RFC 7011 section 3.1, RFC 3954 section 5.1).
        headers["sequence_number"] = before.astype(np.uint32) + np.uint32(sequence_number % MODULUS)
        for name, value in moment.items():
            headers[name] = value % MODULUS
        self.fill_sizes(headers, octets, records)

    def fill_sizes(self, headers: Any, octets: Any, records: Any) -> None:
        """Write the members that say how long Messages are, or how many Data Records they have."""
        names = headers.dtype.names
        if "length" in names:
            headers["length"] = octets
        if "count" in names:
            headers["count"] = records
        if self.set_header:
            headers["set_length"] = octets - self.message_header_octets
