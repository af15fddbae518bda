# SPDX-License-Identifier: Apache-2.0
"""The session of NetFlow version 5: what one collector is sent. No socket, no clock.

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|       Version Number = 5      |   Count of records, 1..30      |
|                           SysUptime                           |
|                           Unix seconds                        |
|                           Unix nanoseconds                    |
|                           Flow sequence                       |
|  Engine type  |   Engine id   |Mod|     Sampling interval     |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+   then the records

There are no Templates and no options.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spanflow.exporting.encode import Rows
from spanflow.exporting.frame import MODULUS, Frame
from spanflow.exporting.interface import OptionsMessage
from spanflow.exporting.message_runs import Layout, MessageBuilder, message_builder
from spanflow.exporting.netflow5_records import RECORD, TEMPLATE, rows_of
from spanflow.exporting.options import EVERY_PACKET, Sampling
from spanflow.exporting.system_uptime import MILLISECOND_NS, SECOND_MS, SystemUptime, latest_ns, times_of
from spanflow.record import Batch

VERSION = 5
MOST_RECORDS = 30
"""In one Message: 1,464 octets. Over IPv6 only 29 fit into 1,500 octets of a path."""

_MOST_INTERVAL = (1 << 14) - 1
_DETERMINISTIC = 1 << 14
"""The two highest bits of the sampling field: every Nth packet."""


class Netflow5Session:
    """What one collector is sent as one device, in records of 48 octets.

    observation_domain_id: its low 16 bits are engine type and engine id. sequence_number: that of the next
    Message: records before it, modulo 2^32; those that were made but could not be sent count too.
    offline: records come from a file, see `SystemUptime`.
    """

    is_binary = True

    def __init__(
        self,
        *,
        observation_domain_id: int,
        max_message_octets: int,
        sampling: Sampling = EVERY_PACKET,
        offline: bool = False,
        sequence_number: int = 0,
    ) -> None:
        self.sequence_number = sequence_number
        self._frame = _frame(observation_domain_id, _sampling_field(sampling))
        self._uptime = SystemUptime(offline=offline, whole_seconds=False)
        self._batch: Batch | None = None
        self.max_message_octets = max_message_octets

    @property
    def max_message_octets(self) -> int:
        """The longest Message in octets; a new value holds from the next Message on."""
        return self._max_message_octets

    @max_message_octets.setter
    def max_message_octets(self, octets: int) -> None:
        self._max_message_octets = octets
        self._builder: MessageBuilder = message_builder(TEMPLATE, octets, self._frame)

    @property
    def facts_version(self) -> int:
        """Always the same: nothing is told beside the records."""
        return 0

    def exportable(self, batch: Batch) -> bool:
        """Whether the batch is of IPv4."""
        return not len(batch) or int(batch.records["ip_version"][0]) == 4

    def template_messages(self, now_ns: int) -> list[bytes]:
        """None."""
        return []

    def options_messages(self, now_ns: int) -> list[OptionsMessage]:
        """None."""
        return []

    def table_messages(self, now_ns: int) -> Iterator[OptionsMessage]:
        """None."""
        return iter(())

    def rows(self, batch: Batch) -> Iterator[Rows]:
        """The records of a batch of IPv4. Raises ValueError for one that is not exportable."""
        if not self.exportable(batch):
            raise ValueError("NetFlow version 5 has no IPv6")
        self._batch = batch
        rows = rows_of(batch)
        if rows is not None:
            yield rows

    def messages(self, rows: Rows, now_ns: int) -> Layout:
        """The Messages with these records, or that none fits into one."""
        assert self._batch is not None
        moment = self._uptime.moment(now_ns, latest_ns(self._batch))
        named: Any = rows.records.view(RECORD)
        named["first"] = moment.stamps(times_of(rows, self._batch, "first_ns"))
        named["last"] = moment.stamps(times_of(rows, self._batch, "last_ns"))
        layout = self._builder.build(
            rows,
            sequence_number=self.sequence_number,
            uptime_ms=moment.uptime_ms,
            unix_seconds=moment.time_ms // SECOND_MS,
            unix_nanoseconds=moment.time_ms % SECOND_MS * MILLISECOND_NS,
        )
        self.sequence_number = (self.sequence_number + layout.data_records) % MODULUS
        return layout


def _frame(observation_domain_id: int, sampling: int) -> Frame:
    return Frame(
        (
            ("version", ">u2"),
            ("count", ">u2"),
            ("uptime_ms", ">u4"),
            ("unix_seconds", ">u4"),
            ("unix_nanoseconds", ">u4"),
            ("sequence_number", ">u4"),
            ("engine", ">u2"),
            ("sampling", ">u2"),
        ),
        constants={"version": VERSION, "engine": observation_domain_id & 0xFFFF, "sampling": sampling},
        most_records=MOST_RECORDS,
    )


def _sampling_field(sampling: Sampling) -> int:
    """Mode and interval; of what it cannot say, the nearest.

    1:1 is interval 1 of no mode: goflow2 before version 2.1 takes the mode for a part of the interval.
    """
    interval = min(_MOST_INTERVAL, sampling.rate)
    return interval if interval == 1 else _DETERMINISTIC | interval
