# SPDX-License-Identifier: Apache-2.0
"""The settings of the Metering Process: `capture`, the interfaces with their own options, `cache`, `dpi`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from spanflow.config.application_rules import MOST_RULES, ApplicationRule
from spanflow.config.bpf import CaptureFilter
from spanflow.config.declare import option, required, setting, settings_of
from spanflow.config.engine_values import AUTO, EngineName, FilePath
from spanflow.config.lists import ListOf, MappingOf
from spanflow.config.network_values import InterfaceName
from spanflow.config.quantities import DAY, GIB, HOUR, MIB, MILLISECOND, SECOND, Duration, Integer, Size
from spanflow.config.values import Boolean, Choice, OrNone, SetOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """How packets are taken in, from files and from interfaces."""

    workers: int = setting(
        Integer(minimum=1, maximum=64),
        1,
        "Metering workers: for all files together, or for each interface. Packets are dealt by their address"
        " pair, so both directions of a Flow and all fragments meet in one worker; the records do not depend"
        " on the number.",
        example="4",
    )
    filter: str = setting(
        CaptureFilter(),
        "",
        "Which packets are metered, as tcpdump takes it. Empty: all of them. A live filter behaves exactly as"
        " one on a file, also about the link layer (vlan, ether, mpls): tags that a network card stripped are"
        " put back before the filter sees the frame.",
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
    ring_size: int = setting(
        Size(minimum=MIB, maximum=16 * GIB),
        64 * MIB,
        "Live: the memory where the kernel puts packets until a worker takes them, for each worker. A larger"
        " one bridges a longer burst; what does not fit is dropped by the kernel and counted.",
        example="256MiB",
    )
    block_timeout: int = setting(
        Duration(minimum=MILLISECOND, maximum=100 * MILLISECOND),
        10 * MILLISECOND,
        "Live: after this time the kernel hands over packets that do not fill a block of the ring. Shorter"
        " costs more wakeups; at low rates a ring of n blocks, of 256 KiB each, bridges n times this.",
        example="50ms",
    )
    promiscuous: bool = setting(
        Boolean(),
        True,
        "Live: take every packet that arrives, not only those for this machine. It ends with the capture.",
        example="false",
    )
    snap_length: int | None = setting(
        OrNone(Integer(minimum=64, maximum=65_535), "auto", "by need: 256, with dpi.enabled 4096"),
        None,
        "Live: how many octets of a frame are looked at, enough for all headers. Sizes in the records do not"
        " depend on it.",
        example="512",
    )
    engine: str = setting(
        Choice(("auto", "ring", "libpcap")),
        "auto",
        "Live: how packets are taken in. ring: a ring that is shared with the kernel (AF_PACKET). libpcap:"
        " for devices that are no network interface of Linux, too. auto: the ring where it can be had.",
        example="libpcap",
    )
    when_missing: str = setting(
        Choice(("refuse", "wait")),
        "refuse",
        "What to do about an interface that does not exist at the start: refuse to start, or wait for it. One"
        " that goes away later is always waited for.",
        example="wait",
    )
    queue_size: int = setting(
        Size(minimum=MIB, maximum=4 * GIB),
        32 * MIB,
        "Live: records that may wait between all workers and the exporters. What does not fit is dropped and"
        " counted.",
        example="128MiB",
    )


def own(key: str, *, example: str) -> Any:
    """Declare an option of an interface that stands in for the setting of `capture` with the same key."""
    kind = settings_of(Capture)[key].kind
    kind = kind.kind if isinstance(kind, OrNone) else kind
    return option(kind, f"As capture.{key}, for this interface alone.", example=example)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One interface to capture on, an Observation Point, and its options. None means: as in `capture`."""

    name: str = required(
        InterfaceName(),
        "What the kernel calls it, or libpcap if it knows more devices; `spanflow interfaces` lists them.",
        example="eth0",
    )
    enabled: bool = setting(
        Boolean(),
        True,
        "Whether packets are captured on it. A disabled interface may stay in the file.",
        example="false",
    )
    index: int | None = option(
        Integer(minimum=1, maximum=(1 << 32) - 1),
        "The number of the interface in the records (ingressInterface). Without it, the kernel's, which"
        " changes when the interface is deleted and created again.",
        example="1001",
    )
    workers: int | None = own("workers", example="4")
    filter: str | None = own("filter", example="not port 22")
    ring_size: int | None = own("ring_size", example="256MiB")
    promiscuous: bool | None = own("promiscuous", example="false")
    snap_length: int | None = own("snap_length", example="512")
    engine: str | None = own("engine", example="libpcap")
    when_missing: str | None = own("when_missing", example="wait")

    def effective(self, capture: Capture) -> Capture:
        """`capture` as this interface sees it: its own options where it has them.

        Only snap_length may still be None (by need).
        """
        shared = [key for key in settings_of(Interface) if key in settings_of(Capture)]
        own_values = {key: getattr(self, key) for key in shared}
        return replace(capture, **{key: value for key, value in own_values.items() if value is not None})


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
    first_packets: int = setting(
        Integer(minimum=0, maximum=64),
        0,
        "How many of the first packets of each record are kept, with their sizes, directions and gaps, for"
        " the feature set packets. Each takes 16 octets for every Flow in the cache.",
        example="20",
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


def _budget(transport: str, default: int, *, example: str) -> int:
    """Declare how many packets of a Flow are inspected."""
    return setting(
        Integer(minimum=1, maximum=255),
        default,
        f"How many packets with payload are inspected of a Flow {transport}, both directions together, before"
        " the engine has to guess.",
        example=example,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dpi:
    """How applications are named. What it finds goes to every collector, and to whoever reads its records."""

    enabled: bool = setting(
        Boolean(),
        True,
        "Name the application of each Flow by the payload of its first packets. Without an engine the probe"
        " says so once and does without; false keeps it from looking at payload at all.",
        example="false",
    )
    engine: str = setting(
        EngineName(),
        AUTO,
        "Which classification engine: one that is installed with Spanflow by its name (`spanflow protocols`"
        " tells it), or an absolute path. auto: the newest one that can be loaded. One that is named must"
        " be there.",
        example="ndpi-4.2",
    )
    tcp_packets: int = _budget("of TCP", 12, example="24")
    udp_packets: int = _budget("of UDP", 8, example="16")
    other_packets: int = _budget("of any other protocol", 8, example="16")
    empty_packets: bool = setting(
        Boolean(),
        False,
        "Packets without payload, such as the TCP handshake, are inspected as well, and count. That doubles"
        " the calls of the engine, about.",
        example="true",
    )
    max_flows: int = setting(
        Integer(minimum=1, maximum=1 << 24),
        65_536,
        "Flows whose application is being looked for, all workers together. Beyond it new ones are named by"
        " their port alone, and counted.",
        example="262144",
    )
    memory: int = setting(
        Size(minimum=MIB, maximum=64 * GIB),
        256 * MIB,
        "Memory for what the engine keeps of Flows under detection and for the names that were found, all"
        " workers together. Beyond it new Flows are named by their port alone, and counted.",
        example="1GiB",
    )
    http_details: bool = setting(
        Boolean(),
        False,
        "Records also carry the user agent and the URL of HTTP requests. They tell about persons: see to it"
        " that you may keep them.",
        example="true",
    )
    protocols_file: str = setting(
        FilePath(),
        "",
        "A file with protocols of your own in nDPI's format (host:, ip:, tcp: and udp: rules). It is read"
        " after privileges were given up, so process.user must be able to read it.",
        example="/etc/spanflow/protocols.txt",
    )
    rules: tuple[ApplicationRule, ...] = setting(
        ListOf(item=MappingOf(ApplicationRule, "rule"), noun="rule", most=MOST_RULES),
        (),
        "Names of your own for applications. A rule matches a Flow when each kind of condition that it has"
        " is met by one of its values; the first one that matches wins, also over what the engine has"
        " found.",
        example="[{name: intranet, cidr: [10.0.0.0/8], port: [443, 8000-8010]}]",
    )
