# SPDX-License-Identifier: Apache-2.0
"""The settings of one collector: where it is, what it gets, how it is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from spanflow.config.declare import option, setting, settings_of
from spanflow.config.engine_values import FilePath
from spanflow.config.exporting_settings import Export
from spanflow.config.lists import ListOf
from spanflow.config.network_values import IpAddress
from spanflow.config.quantities import DAY, HOUR, KIB, TIB, Duration, Integer, Size
from spanflow.config.record_filter import FilterExpression
from spanflow.config.values import Boolean, Choice, Kind, Text

PROFILES = (
    "generic",
    "rich",
    "nfdump",
    "goflow2",
    "akvorado",
    "elastic",
    "logstash",
    "telegraf",
    "pmacct",
    "ipfixcol2",
    "silk",
    "elastiflow",
    "nprobe",
)


@dataclass(frozen=True, slots=True)
class Scheme:
    """What the scheme of a URL says. port: where such collectors listen; 0: the URL must say it."""

    protocol: str
    transport: str
    port: int = 0


# RFC 7011 section 10.1: 4739, and 4740 over TLS and DTLS. NetFlow has no number of IANA; 2055 is Cisco's.
SCHEMES: Mapping[str, Scheme] = {
    "ipfix+udp": Scheme("ipfix", "udp", 4739),
    "ipfix+tcp": Scheme("ipfix", "tcp", 4739),
    "ipfix+tls": Scheme("ipfix", "tls", 4740),
    "ipfix+sctp": Scheme("ipfix", "sctp", 4739),
    "ipfix+dtls": Scheme("ipfix", "dtls", 4740),
    "ipfix+file": Scheme("ipfix", "file"),
    "netflow9": Scheme("netflow9", "udp", 2055),
    "netflow5": Scheme("netflow5", "udp", 2055),
    "json+tcp": Scheme("json", "tcp"),
    "json+file": Scheme("json", "file"),
}
"""The known schemes."""

STREAMS = ("tcp", "tls", "sctp")
"""Transports that are reliable: what is sent arrives, or the connection ends."""

_ELEMENTS = ListOf(
    item=Text(pattern="[A-Za-z0-9]{1,64}", allowed="the name of an element"), noun="element", most=128
)


def override(key: str, attribute: str = "", *, example: str) -> int | None:
    """Declare an option of a collector that stands in for the setting of `export` with the same attribute."""
    name = attribute or key
    kind: Kind[int] = settings_of(Export)[name].kind
    return option(kind, f"As export.{name}, for this collector alone.", example=example, key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """One collector: where it is (from its URL), and its options. None means: as in `export`, or as the
    profile says.

    host, port: of a collector in the network. path: of a file.
    """

    protocol: str = "ipfix"
    transport: str = "udp"
    host: str = ""
    port: int = 4739
    path: str = ""
    name: str = setting(
        Text(pattern="[ -~]{1,128}", allowed="1 to 128 printable ASCII characters"),
        "",
        "The name in logs, counters and the summary. Without one it is the URL without its options.",
        example="noc",
    )
    profile: str = setting(
        Choice(PROFILES),
        "generic",
        "What is sent, and in which form: `generic`, elements that every collector knows, with the number of"
        " the application; `rich`, also its name, risks, server name, fingerprints and more, in elements of"
        " our own; the others, what suits the product of that name (docs/collectors.md).",
        example="nfdump",
    )
    elements: tuple[str, ...] | None = option(
        _ELEMENTS,
        "What is sent, by the names of the Information Elements (docs/fields.md), in place of those of the"
        " profile.",
        example="[sourceIPv4Address, destinationIPv4Address, octetDeltaCount]",
    )
    add: tuple[str, ...] | None = option(
        _ELEMENTS, "Elements that are sent beside those of the profile.", example="[flowDurationMilliseconds]"
    )
    remove: tuple[str, ...] | None = option(
        _ELEMENTS, "Elements of the profile that are not sent.", example="[sourceMacAddress, vlanId]"
    )
    biflow: bool | None = option(
        Boolean(),
        "Send one record with both directions (RFC 5103) instead of one record for each direction. Without"
        " it, as suits the profile.",
        example="true",
    )
    strings: str | None = option(
        Choice(("variable", "fixed")),
        "How strings are sent: `variable` as they are, which takes the least space; `fixed` cut or filled up"
        " to fixed lengths, for a collector that cannot read the other form. Without it, as suits the"
        " profile.",
        example="fixed",
    )
    filter: str | None = option(
        FilterExpression(),
        "Only records that match are sent, as in `net 10.0.0.0/8 and not port 53` (docs/export-privacy.md).",
        example='"proto tcp and octets >= 1000"',
    )
    anonymize: str = setting(
        Choice(("none", "truncate", "crypto-pan")),
        "none",
        "What becomes of addresses before they are queued for this collector: `truncate` keeps their first"
        " bits; `crypto-pan` replaces them so that addresses of one network stay together"
        " (docs/export-privacy.md).",
        example="crypto-pan",
    )
    anonymize_key: str | None = option(
        FilePath(),
        "The file with the key of `crypto-pan`, as `spanflow keygen` makes it.",
        example="/etc/spanflow/noc.key",
    )
    anonymize_ipv4: int = setting(
        Integer(minimum=0, maximum=32),
        24,
        "How many bits of an IPv4 address `truncate` keeps.",
        example="16",
    )
    anonymize_ipv6: int = setting(
        Integer(minimum=0, maximum=128),
        48,
        "How many bits of an IPv6 address `truncate` keeps.",
        example="32",
    )
    group: str | None = option(
        Text(pattern="[A-Za-z0-9._-]{1,64}", allowed="1 to 64 letters, digits, '.', '_' or '-'"),
        "Collectors of one group share the records instead of each getting all.",
        example="noc",
    )
    group_mode: str = setting(
        Choice(("failover", "balance")),
        "failover",
        "How a group shares: `failover`, all to the first member in the list that is there; `balance`, each"
        " Flow to one member, both directions and all its parts to the same.",
        example="balance",
    )
    source: str | None = option(
        IpAddress(), "The address of this machine that Messages are sent from.", example="192.0.2.7"
    )
    dscp: int = setting(
        Integer(minimum=0, maximum=63),
        0,
        "The Differentiated Services Code Point of the packets (RFC 2474).",
        example="8",
    )
    ttl: int = setting(
        Integer(minimum=1, maximum=255, zero="that of the system"),
        0,
        "The TTL or Hop Limit of the packets.",
        example="4",
    )
    ca: str | None = option(
        FilePath(),
        "PEM file with the authorities that may have signed the collector's certificate; without it, those of"
        " the system.",
        example="/etc/spanflow/ca.pem",
    )
    certificate: str | None = option(
        FilePath(),
        "PEM file with our certificate, and those between it and the authority. A changed file is taken over"
        " with the next connection.",
        example="/etc/spanflow/probe.pem",
    )
    key: str | None = option(
        FilePath(),
        "PEM file with the key of the certificate; must not be readable for others.",
        example="/etc/spanflow/probe.key",
    )
    server_name: str | None = option(
        Text(pattern=r"[A-Za-z0-9.:_-]{1,253}", allowed="a host name or an address"),
        "The name that the collector's certificate must have, if not the host of the URL.",
        example="collector.example",
    )
    spool: bool = setting(
        Boolean(),
        True,
        "Keep records on disk while the collector is away, if there is an export.spool_directory.",
        example="false",
    )
    rotate_size: int = setting(
        Size(minimum=64 * KIB, maximum=TIB, zero="never"),
        0,
        "A file of this size is completed, and another one begun.",
        example="1GiB",
    )
    rotate_time: int = setting(
        Duration(minimum=10**9, maximum=365 * DAY, zero="never"),
        HOUR,
        "A file of this age is completed, and another one begun.",
        example="5m",
    )
    compression: str = setting(Choice(("none", "gzip")), "none", "How files are compressed.", example="gzip")
    domain: int | None = option(
        Integer(minimum=0, maximum=(1 << 32) - 1),
        "As export.observation_domain_id, for this collector alone.",
        example="7",
    )
    template_refresh: int | None = override("template_refresh", example="60s")
    template_refresh_packets: int | None = override("template_refresh_packets", example="1000")
    template_copies: int | None = override("template_copies", example="1")
    options_refresh: int | None = override("options_refresh", example="60s")
    queue_size: int | None = override("queue_size", example="256MiB")
    max_message_size: int | None = override("mtu", "max_message_size", example="auto")
    pace: int | None = override("pace", example="5000")
    retry_interval: int | None = override("retry_interval", example="10s")
    send_timeout: int | None = override("send_timeout", example="30s")

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.url)

    @property
    def scheme(self) -> str:
        """The scheme of its URL."""
        return f"{self.protocol}+{self.transport}" if self.protocol in ("ipfix", "json") else self.protocol

    @property
    def url(self) -> str:
        """The URL without options. RFC 3986: IPv6 in brackets; RFC 6874: the zone after `%25`."""
        if self.transport == "file":
            return f"{self.scheme}://{quote(self.path)}"
        host = f"[{self.host.replace('%', '%25')}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def effective(self, export: Export) -> Export:
        """`export` as this collector sees it: its own options where it has them.

        Only observation_domain_id may still be None (derived).
        """
        own = {
            "observation_domain_id": self.domain,
            "template_refresh": self.template_refresh,
            "template_refresh_packets": self.template_refresh_packets,
            "template_copies": self.template_copies,
            "options_refresh": self.options_refresh,
            "queue_size": self.queue_size,
            "max_message_size": self.max_message_size,
            "pace": self.pace,
            "retry_interval": self.retry_interval,
            "send_timeout": self.send_timeout,
        }
        given: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
        return replace(export, **given)
