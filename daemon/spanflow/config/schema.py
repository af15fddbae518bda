# SPDX-License-Identifier: Apache-2.0
"""Every setting, declared once: name, type, default, unit, range, description, example.

The loader, the shipped `spanflow.yaml`, the reference and the JSON schema are computed from these classes.
Durations are int nanoseconds, sizes int octets. The objects are immutable: a reload makes new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, cast

from spanflow.config.bpf import CaptureFilter
from spanflow.config.declare import Setting, option, setting, settings_of
from spanflow.config.quantities import DURATION_UNITS, SIZE_UNITS, Duration, Integer, Size
from spanflow.config.values import Boolean, Choice, Kind, OrNone, SetOf, Text

MILLISECOND = DURATION_UNITS["ms"]
SECOND = DURATION_UNITS["s"]
HOUR = DURATION_UNITS["h"]
DAY = DURATION_UNITS["d"]
KIB = SIZE_UNITS["KiB"]
MIB = SIZE_UNITS["MiB"]
GIB = SIZE_UNITS["GiB"]
TIB = SIZE_UNITS["TiB"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Where packets come from and how they are taken in."""

    workers: int = setting(
        Integer(minimum=1, maximum=64),
        1,
        "Metering workers. Packets are dealt by their address pair, so both directions of a Flow and all"
        " fragments meet in one worker; the records do not depend on the number.",
        example="4",
    )
    filter: str = setting(
        CaptureFilter(),
        "",
        "Which packets are metered, as tcpdump takes it. Empty: all of them. Expressions about the link layer"
        " (vlan, ether, mpls) may see other frames live than in a file, as network cards strip tags.",
        example="net 192.0.2.0/24 and not port 22",
    )
    reorder_window: int = setting(
        Duration(minimum=0, maximum=HOUR),
        10 * SECOND,
        "Reading files: how far back in time a packet may be and still find its Flow. Older ones are counted"
        " as late. A larger window keeps ended Flows in the cache for longer.",
        example="30s",
    )
    max_fragments: int = setting(
        Integer(minimum=1, maximum=1 << 24),
        16_384,
        "Fragmented packets of which the ports are remembered for the fragments that follow, in each worker."
        " The oldest goes when the table is full.",
        example="65536",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """How packets become Flows, and when a Flow leaves."""

    active_timeout: int = setting(
        Duration(minimum=MILLISECOND, maximum=7 * DAY, zero="off"),
        60 * SECOND,
        "A Flow that lasts longer is reported in parts of this length (flowEndReason 2, active timeout).",
        example="120s",
    )
    inactive_timeout: int = setting(
        Duration(minimum=MILLISECOND, maximum=7 * DAY, zero="off"),
        15 * SECOND,
        "A Flow without a packet for so long has ended (flowEndReason 1, idle timeout).",
        example="60s",
    )
    tcp_linger: int = setting(
        Duration(minimum=MILLISECOND, maximum=HOUR, zero="the Flow leaves at once"),
        2 * SECOND,
        "How long a TCP Flow stays after its FINs or its RST, so that late segments join it instead of"
        " opening a Flow of their own (flowEndReason 3, end of Flow detected).",
        example="500ms",
    )
    tcp_fin_timeout: int = setting(
        Duration(minimum=MILLISECOND, maximum=DAY, zero="off"),
        0,
        "A TCP Flow that only one side has closed ends after so long without a packet (flowEndReason 3).",
        example="5s",
    )
    max_flows: int = setting(
        Integer(minimum=1, maximum=1 << 28),
        1_000_000,
        "Flows in the cache, all workers together, about 300 octets each. When it is full, the Flow that"
        " would expire next makes room (flowEndReason 5, lack of resources).",
        example="4000000",
    )
    memory: int | None = setting(
        OrNone(Size(minimum=MIB, maximum=64 * GIB), "none", "max_flows decides"),
        None,
        "Memory for the cache, all workers together. When it is set, it bounds the cache in place of"
        " max_flows.",
        example="1GiB",
    )
    preallocate: bool = setting(
        Boolean(),
        False,
        "Take the whole memory of the cache at the start, instead of page by page as Flows come.",
        example="true",
    )
    key: tuple[str, ...] = setting(
        SetOf(Choice(("vlan", "interface"))),
        (),
        "What the Flow Key has besides addresses, protocol and ports: the outer VLAN tag, the capture"
        " interface.",
        example="[vlan]",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dpi:
    """Whether applications are named."""

    enabled: bool = setting(
        Boolean(),
        False,
        "Name the application of each Flow by its payload. Accepted but without effect in this version.",
        example="true",
    )


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
        "Options records (sampling, counters of the probe) are sent again after this time.",
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
        Choice(("generic",)),
        "generic",
        "The product behind the address, which decides the template. Other profiles come in a later version.",
        example="generic",
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


MOST_COLLECTORS = 64
"""Each has a thread and a queue of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one probe."""

    capture: Capture = field(
        default_factory=Capture,
        metadata={"description": "Where packets come from and how they are taken in."},
    )
    cache: Cache = field(
        default_factory=Cache, metadata={"description": "How packets become Flows, and when a Flow leaves."}
    )
    dpi: Dpi = field(default_factory=Dpi, metadata={"description": "Names of applications."})
    export: Export = field(
        default_factory=Export,
        metadata={"description": "What holds for every collector that does not say otherwise."},
    )
    collectors: tuple[Collector, ...] = field(
        default=(),
        metadata={
            "description": "Who receives the records, each with a session, a queue and counters of its own:"
            f" a list of URLs, or of mappings with `url` and the same options; {MOST_COLLECTORS} at most."
        },
    )


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the file: its key, the class that holds it, what it is about."""

    key: str
    cls: type[Any]
    description: str

    @property
    def settings(self) -> Mapping[str, Setting]:
        return settings_of(self.cls)


def sections() -> Mapping[str, Section]:
    """The sections by key, in the order of their declaration."""
    return {
        member.name: Section(
            member.name, cast(type[Any], member.default_factory), member.metadata["description"]
        )
        for member in fields(Settings)
        if member.default_factory is not MISSING
    }


def collectors_description() -> str:
    """What the key `collectors` is about."""
    (description,) = (f.metadata["description"] for f in fields(Settings) if f.name == "collectors")
    return cast(str, description)


def setting_keys() -> Mapping[str, Setting]:
    """Every setting by its full key: `cache.active_timeout`. Without `collectors`, which is a list."""
    return {
        f"{part.key}.{key}": found for part in sections().values() for key, found in part.settings.items()
    }
