# SPDX-License-Identifier: Apache-2.0
"""The settings of the Exporting Process that hold for every collector: `export`."""

from __future__ import annotations

from dataclasses import dataclass

from spanflow.config.declare import setting
from spanflow.config.engine_values import FilePath
from spanflow.config.quantities import (
    DAY,
    GIB,
    HOUR,
    MIB,
    MILLISECOND,
    MINUTE,
    SECOND,
    TIB,
    Duration,
    Integer,
    Size,
)
from spanflow.config.values import InvalidValueError, JsonSchema, OrNone, Text
from spanflow.information_elements import ENTERPRISE_NUMBER, REVERSE_PEN


class EnterpriseNumber(Integer):
    """A Private Enterprise Number that elements of our own may have."""

    __slots__ = ()

    def parse(self, text: str) -> int:
        number = super().parse(text)
        if number == REVERSE_PEN:
            raise InvalidValueError(
                f"{number} is that of reverse elements (RFC 5103); use your organisation's"
            )
        return number

    def json_schema(self) -> JsonSchema:
        ranges = ((self.minimum, REVERSE_PEN - 1), (REVERSE_PEN + 1, self.maximum))
        return {"anyOf": [{"type": "integer", "minimum": low, "maximum": high} for low, high in ranges]}


DEFAULT_MESSAGE_OCTETS = 1400
"""For paths of Ethernet, with room for the headers of a tunnel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What holds for every collector that does not say otherwise."""

    observation_domain_id: int | None = setting(
        OrNone(Integer(minimum=0, maximum=(1 << 32) - 1), "auto", "derived from machine and instance"),
        None,
        "The Observation Domain ID in every Message. Collectors tell probes behind one address apart by it,"
        " so two probes must not share one.",
        example="7",
    )
    instance: str = setting(
        Text(pattern="[A-Za-z0-9._-]{1,64}", allowed="1 to 64 letters, digits, '.', '_' or '-'"),
        "default",
        "The name of this probe among several on one machine; a derived Observation Domain ID depends on it.",
        example="uplink-2",
    )
    template_refresh: int = setting(
        Duration(minimum=100 * MILLISECOND, maximum=DAY),
        30 * SECOND,
        "Templates are sent again after this time. A collector that was started later understands nothing"
        " before.",
        example="60s",
    )
    template_refresh_packets: int = setting(
        Integer(minimum=1, maximum=10**9),
        4096,
        "Templates are sent again after so many Messages, if that comes earlier than template_refresh.",
        example="1000",
    )
    options_refresh: int = setting(
        Duration(minimum=100 * MILLISECOND, maximum=DAY),
        30 * SECOND,
        "Options records (sampling, names of applications) are sent again after this time.",
        example="60s",
    )
    template_copies: int = setting(
        Integer(minimum=1, maximum=16),
        3,
        "How often the first templates are sent in a row, as UDP loses datagrams.",
        example="1",
    )
    queue_size: int = setting(
        Size(minimum=2 * MIB, maximum=TIB),
        64 * MIB,
        "Records that wait for one collector. Reading a file, a full queue makes the reader wait; live, what"
        " does not fit is dropped and counted.",
        example="256MiB",
    )
    max_message_size: int = setting(
        Size(minimum=512, maximum=65_507, zero="from the path MTU", zero_word="auto", bare=True),
        DEFAULT_MESSAGE_OCTETS,
        "The longest Message, as octets of UDP payload. The default gives way to a route that takes less; a"
        " larger one than the path takes means IP fragments, and with them loss. `auto` finds out the MTU of"
        " the whole path, and follows its changes.",
        example="auto",
    )
    pace: int = setting(
        Integer(minimum=1, maximum=100_000_000, zero="unlimited"),
        20_000,
        "Messages per second to one collector over UDP or DTLS, evenly, so that many Flows that end together"
        " do not overrun it; what does not leave in time waits in its queue. A collector on this machine is"
        " paced by its own receive queue instead.",
        example="5000",
    )
    enterprise_number: int = setting(
        EnterpriseNumber(minimum=1, maximum=(1 << 32) - 1),
        ENTERPRISE_NUMBER,
        "The Private Enterprise Number of our own elements in the profile `rich`. The default is the number"
        " for documentation (RFC 5612), as IANA has not assigned one to Spanflow yet; set your organisation's"
        " to keep them apart from those of others.",
        example="64999",
    )
    retry_interval: int = setting(
        Duration(minimum=100 * MILLISECOND, maximum=HOUR),
        MINUTE,
        "How long to wait between attempts to connect to a collector over TCP, TLS or SCTP. RFC 7011 wants no"
        " more than one in a minute.",
        example="10s",
    )
    send_timeout: int = setting(
        Duration(minimum=SECOND, maximum=HOUR),
        10 * SECOND,
        "A collector over TCP, TLS or SCTP that takes nothing for so long, or cannot be connected within it,"
        " is away.",
        example="30s",
    )
    spool_directory: str = setting(
        FilePath(),
        "",
        "Where records for a collector that is away are kept until it is back, for collectors over TCP, TLS"
        " and SCTP and for files. Flow data is personal data: nobody but the probe can read it there.",
        example="/var/lib/spanflow/spool",
    )
    spool_size: int = setting(
        Size(minimum=MIB, maximum=1024 * TIB),
        GIB,
        "The most that the spool of one collector takes on disk; the oldest records go first, and are"
        " counted.",
        example="10GiB",
    )
    spool_age: int = setting(
        Duration(minimum=SECOND, maximum=365 * DAY, zero="for ever"),
        DAY,
        "Records that are in the spool for longer are dropped and counted.",
        example="7d",
    )
    spool_rate: int = setting(
        Integer(minimum=1, maximum=100_000_000, zero="unlimited"),
        50_000,
        "Records per second that leave the spool when the collector is back, beside those of live traffic.",
        example="200000",
    )
    drain_timeout: int = setting(
        Duration(minimum=0, maximum=HOUR),
        30 * SECOND,
        "At the end, how long to wait until the queues are sent. What is left then is dropped and counted.",
        example="5s",
    )
