# SPDX-License-Identifier: Apache-2.0
"""The settings of the Exporting Process: `export`, and the collectors with their own options."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from spanflow.config.declare import option, setting, settings_of
from spanflow.config.quantities import DAY, HOUR, MIB, MILLISECOND, SECOND, TIB, Duration, Integer, Size
from spanflow.config.values import Boolean, Choice, InvalidValueError, JsonSchema, Kind, OrNone, Text
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
        1400,
        "The longest Message, as octets of UDP payload. Larger than the path allows means IP fragments, and"
        " with them loss.",
        example="auto",
    )
    pace: int = setting(
        Integer(minimum=1, maximum=100_000_000, zero="unlimited"),
        20_000,
        "Messages per second to one collector when a file is read; a file gives records faster than most"
        " collectors take them. A collector on this machine is paced by its own receive queue instead.",
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
    drain_timeout: int = setting(
        Duration(minimum=0, maximum=HOUR),
        30 * SECOND,
        "At the end, how long to wait until the queues are sent. What is left then is dropped and counted.",
        example="5s",
    )


def override(key: str, attribute: str = "", *, example: str) -> int | None:
    """Declare an option of a collector that stands in for the setting of `export` with the same attribute."""
    name = attribute or key
    kind: Kind[int] = settings_of(Export)[name].kind
    return option(kind, f"As export.{name}, for this collector alone.", example=example, key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """One collector: where it is (from its URL), and its options. None means: as in `export`."""

    protocol: str = "ipfix"
    transport: str = "udp"
    host: str
    port: int = 4739
    name: str = setting(
        Text(pattern="[ -~]{1,128}", allowed="1 to 128 printable ASCII characters"),
        "",
        "The name in logs, counters and the summary. Without one it is the URL without its options.",
        example="noc",
    )
    biflow: bool = setting(
        Boolean(),
        False,
        "Send one record with both directions (RFC 5103) instead of one record for each direction.",
        example="true",
    )
    domain: int | None = option(
        Integer(minimum=0, maximum=(1 << 32) - 1),
        "As export.observation_domain_id, for this collector alone.",
        example="7",
    )
    profile: str = setting(
        Choice(("generic", "rich")),
        "generic",
        "What is sent: `generic`, elements that every collector knows, with the number of the application;"
        " `rich`, also its name, risks, server name, fingerprints and more, in elements of our own.",
        example="rich",
    )
    strings: str = setting(
        Choice(("variable", "fixed")),
        "variable",
        "How the profile `rich` sends strings: `variable` as they are, which takes the least space; `fixed`"
        " cut or filled up to fixed lengths, for a collector that cannot read the other form.",
        example="fixed",
    )
    template_refresh: int | None = override("template_refresh", example="60s")
    template_refresh_packets: int | None = override("template_refresh_packets", example="1000")
    template_copies: int | None = override("template_copies", example="1")
    queue_size: int | None = override("queue_size", example="256MiB")
    max_message_size: int | None = override("mtu", "max_message_size", example="auto")
    pace: int | None = override("pace", example="5000")

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.url)

    @property
    def url(self) -> str:
        """The URL without options. RFC 3986: IPv6 in brackets; RFC 6874: the zone after `%25`."""
        host = f"[{self.host.replace('%', '%25')}]" if ":" in self.host else self.host
        return f"{self.protocol}+{self.transport}://{host}:{self.port}"

    def effective(self, export: Export) -> Export:
        """`export` as this collector sees it: its own options where it has them.

        Only observation_domain_id may still be None (derived).
        """
        own = {
            "observation_domain_id": self.domain,
            "template_refresh": self.template_refresh,
            "template_refresh_packets": self.template_refresh_packets,
            "template_copies": self.template_copies,
            "queue_size": self.queue_size,
            "max_message_size": self.max_message_size,
            "pace": self.pace,
        }
        given: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
        return replace(export, **given)
