# SPDX-License-Identifier: Apache-2.0
"""Very many IPFIX Messages at once: their Data Records as arrays, and what their sequence numbers miss."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from exporting.plain_ipfix import NAMES, REVERSE_PEN, Reader

FIRST_DATA_SET = 256
NUMBERS = {1: "u1", 2: ">u2", 4: ">u4", 8: ">u8"}


class Transcript:
    """Messages of one Transport Session in their order, from the first Templates on."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self._reader = Reader()
        self._bodies: dict[int, list[bytes]] = defaultdict(list)
        counts: list[int] = []
        for message in messages:
            sets = list(_sets(message))
            if any(set_id < FIRST_DATA_SET for set_id, _ in sets):
                self._reader.read(message)
            data = [(set_id, body) for set_id, body in sets if set_id >= FIRST_DATA_SET]
            for set_id, body in data:
                self._bodies[set_id].append(body)
            counts.append(sum(len(body) // self._record_octets(set_id) for set_id, body in data))
        self.data_records = sum(counts)
        """Data Records that arrived, those of options too."""
        numbers = [struct.unpack_from(">I", message, 8)[0] for message in messages] or [0]
        self.first_number = numbers[0]
        """The sequence number of the first Message."""
        self.next_number = numbers[-1] + sum(counts[-1:])
        """The sequence number that has to come after the last Message."""
        self.missing = (self.next_number - self.first_number - self.data_records) % (1 << 32)
        """Data Records among these Messages that did not arrive, by the sequence numbers."""

    @property
    def option_records(self) -> int:
        return self.data_records - sum(map(len, self.tables().values()))

    def tables(self) -> dict[int, np.ndarray]:
        """The Flow Data Records as one array per Template ID; fields have the names of their elements.

        Elements of 6 and 16 octets are octets, IPv4 addresses numbers.
        """
        return {
            set_id: np.frombuffer(b"".join(bodies), self._dtype(set_id))
            for set_id, bodies in self._bodies.items()
            if set_id not in self._reader.scopes
        }

    def column(self, name: str) -> np.ndarray:
        """The values of a numeric element in all Flow Data Records."""
        return np.concatenate([np.empty(0, np.uint64), *(table[name] for table in self.tables().values())])

    def _record_octets(self, template_id: int) -> int:
        return sum(length for _, length in self._reader.templates[template_id])

    def _dtype(self, template_id: int) -> np.dtype[Any]:
        return np.dtype(
            [
                ("reverse " * (pen == REVERSE_PEN) + NAMES[number], NUMBERS.get(length, f"V{length}"))
                for (pen, number), length in self._reader.templates[template_id]
            ]
        )


def _sets(message: bytes) -> Iterator[tuple[int, bytes]]:
    at = 16
    while at < len(message):
        set_id, length = struct.unpack_from(">HH", message, at)
        yield set_id, message[at + 4 : at + length]
        at += length
