# SPDX-License-Identifier: Apache-2.0
"""What columns are computed from: the members of a batch and what follows from them, each computed once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from spanflow.applications import Applications
from spanflow.details import Detail, Texts
from spanflow.features.deviations import SizeSums, lowest_of, squared_deviations
from spanflow.record import Array, Batch


class Members:
    """The members of records, each as a contiguous array. It knows nothing of who uses it: no cycle of
    references keeps the memory of a batch that is done with.
    """

    def __init__(self, records: Array) -> None:
        self._records = records
        self._found: dict[str, Array] = {}

    def member(self, path: str) -> Array:
        """A member by its path in RECORD ("flow_id", "forward.vlan_id")."""
        if path not in self._found:
            found = self._records
            for name in path.split("."):
                found = found[name]
            self._found[path] = np.ascontiguousarray(found)
        return self._found[path]


class Side(ABC):
    """The measures of one direction, or of both together. Arrays of n values; times and gaps are ns.

    A side without packets has zeros everywhere; what has too few values is 0 (semantics 6.3).
    """

    def __init__(self, members: Members, path: str) -> None:
        """path: what stands before the names of its members in RECORD: `forward.`, or nothing."""
        self._members = members
        self._path = path

    def member(self, name: str) -> Array:
        """A member, contiguous. A record has those of gaps too, as each of its directions."""
        return self._members.member(self._path + name)

    @property
    @abstractmethod
    def packets(self) -> Array:
        """u8."""

    @property
    @abstractmethod
    def octets(self) -> Array:
        """Octets of IP, u8."""

    @property
    @abstractmethod
    def start_ns(self) -> Array:
        """The lowest time stamp."""

    @property
    @abstractmethod
    def end_ns(self) -> Array:
        """The highest time stamp."""

    @property
    @abstractmethod
    def size_min(self) -> Array:
        """Octets."""

    @property
    @abstractmethod
    def size_max(self) -> Array:
        """Octets."""

    @property
    @abstractmethod
    def size_sums(self) -> tuple[SizeSums, ...]:
        """Of each direction that it has."""

    @cached_property
    def duration_ns(self) -> Array:
        """From the first packet to the last."""
        return self.end_ns - self.start_ns

    @cached_property
    def size_mean(self) -> Array:
        """Octets."""
        return self.octets / np.maximum(self.packets, np.uint64(1))

    @cached_property
    def size_stddev(self) -> Array:
        """Octets; NaN where it is unknown."""
        return _sample_deviation(squared_deviations(self.size_sums), self.packets)

    @cached_property
    def gaps(self) -> Array:
        """How many gaps there are: one less than packets."""
        found: Array = np.maximum(self.packets, np.uint64(1)) - np.uint64(1)
        return found

    @cached_property
    def gap_min_ns(self) -> Array:
        """Single precision, as the record has it: a whole number all the same."""
        return self.member("gap_min_ns").astype(np.int64)

    @cached_property
    def gap_max_ns(self) -> Array:
        """As gap_min_ns."""
        return self.member("gap_max_ns").astype(np.int64)

    @cached_property
    def gap_mean_ns(self) -> Array:
        return self.member("gap_sum_ns") / np.maximum(self.gaps, np.uint64(1))

    @cached_property
    def gap_stddev_ns(self) -> Array:
        return _sample_deviation(self.member("gap_squared_deviations"), self.gaps)


class Direction(Side):
    """Forward or reverse."""

    @cached_property
    def packets(self) -> Array:
        return self.member("packet_delta_count")

    @cached_property
    def octets(self) -> Array:
        return self.member("octet_delta_count")

    @cached_property
    def start_ns(self) -> Array:
        return self.member("first_ns")

    @cached_property
    def end_ns(self) -> Array:
        return self.member("last_ns")

    @cached_property
    def size_min(self) -> Array:
        return self.member("size_min")

    @cached_property
    def size_max(self) -> Array:
        return self.member("size_max")

    @cached_property
    def size_sums(self) -> tuple[SizeSums, ...]:
        squares = self.member("size_sum_squares")
        return (SizeSums(self.packets, self.octets, squares, self.size_min, self.size_max),)


class Together(Side):
    """Both directions together."""

    def __init__(self, members: Members, forward: Direction, reverse: Direction) -> None:
        super().__init__(members, "")
        self._forward, self._reverse = forward, reverse

    @cached_property
    def packets(self) -> Array:
        return self._forward.packets + self._reverse.packets

    @cached_property
    def octets(self) -> Array:
        return self._forward.octets + self._reverse.octets

    @cached_property
    def start_ns(self) -> Array:
        return self._of_those_there(np.minimum, self._forward.start_ns, self._reverse.start_ns)

    @cached_property
    def end_ns(self) -> Array:
        return self._of_those_there(np.maximum, self._forward.end_ns, self._reverse.end_ns)

    @cached_property
    def size_min(self) -> Array:
        return lowest_of(self.size_sums)

    @cached_property
    def size_max(self) -> Array:
        return np.maximum(self._forward.size_max, self._reverse.size_max)

    @cached_property
    def size_sums(self) -> tuple[SizeSums, ...]:
        return (*self._forward.size_sums, *self._reverse.size_sums)

    def _of_those_there(self, choose: np.ufunc, forward: Array, reverse: Array) -> Array:
        """A direction without packets has no say: its times are 0, and there are times before 1970."""
        found = np.where(self._reverse.packets == 0, forward, choose(forward, reverse))
        return np.where(self._forward.packets == 0, reverse, found)


class Measures:
    """All that columns are computed from. applications: who names them."""

    def __init__(self, batch: Batch, applications: Applications) -> None:
        self.batch = batch
        self.applications = applications
        self._members = Members(batch.records)

    def __len__(self) -> int:
        return len(self.batch)

    @cached_property
    def forward(self) -> Direction:
        return Direction(self._members, "forward.")

    @cached_property
    def reverse(self) -> Direction:
        return Direction(self._members, "reverse.")

    @cached_property
    def both(self) -> Together:
        return Together(self._members, self.forward, self.reverse)

    def member(self, path: str) -> Array:
        """A member by its path in RECORD ("flow_id", "forward.vlan_id"), contiguous."""
        return self._members.member(path)

    def text(self, kind: Detail) -> list[str]:
        """The text of this kind of each record; empty where it has none."""
        found = [""] * len(self)
        if self._texts is not None:
            for number, text in zip(self._texts.numbers.tolist(), self._texts.of_kind(kind), strict=True):
                found[number] = text
        return found

    @cached_property
    def _texts(self) -> Texts | None:
        return Texts(self.batch) if len(self.batch.details) else None


def _sample_deviation(squared: Array, values: Array) -> Array:
    """The root of squared deviations / (values - 1); 0 for fewer than two values."""
    divisor = np.maximum(values, np.uint64(2)) - np.uint64(1)
    return np.where(values > 1, np.sqrt(squared / divisor), 0.0)
