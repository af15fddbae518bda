# SPDX-License-Identifier: Apache-2.0
"""The native Metering Process, as bindings.cpp offers it."""

from collections.abc import Sequence
from typing import Any

RECORD_OCTETS: int
DIRECTION_OCTETS: int
CONTINUATION: int
END_DETAILS: list[str]
FLOW_OCTETS: float
CLASSIFICATION_OCTETS: int
EXPIRY_LAG_BOUNDS_MS: list[int]

def record_layout() -> list[tuple[str, str, int]]: ...
def direction_layout() -> list[tuple[str, str, int]]: ...

class Batch:
    """Records of one IP version; exports them through the buffer protocol, read-only."""

    def __len__(self) -> int: ...
    @property
    def ip_version(self) -> int: ...
    @property
    def details(self) -> bytes: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class Meter:
    def pop(self, timeout_ms: int) -> Batch | None: ...
    def finished(self) -> bool: ...
    def counters(self) -> list[dict[str, Any]]: ...
    def filter_error(self) -> str: ...
    def failure(self) -> str: ...

class ClassificationOptions:
    def __init__(
        self,
        *,
        shim: str,
        protocols_file: str,
        tcp_packets: int,
        udp_packets: int,
        other_packets: int,
        empty_packets: bool,
        max_flows: int,
        memory_octets: int,
        http_details: bool,
        rules: Sequence[tuple[str, Sequence[tuple[bytes, int]], Sequence[tuple[int, int]], Sequence[str]]],
    ) -> None:
        """rules: name, networks (16 octets and the length of the prefix), ranges of ports, server names."""

def classification_tables(options: ClassificationOptions) -> dict[str, Any]:
    """What an engine knows: opens, reads, closes it. Raises RuntimeError, one line why it cannot.

    engine, version; applications: (number, application_id, name, category, breed, user_defined);
    categories: (number, name); risks: (bit, name).
    """

class MeteringOptions:
    def __init__(
        self,
        *,
        active_timeout_ns: int,
        inactive_timeout_ns: int,
        tcp_linger_ns: int,
        tcp_fin_timeout_ns: int,
        reorder_window_ns: int,
        max_flows: int,
        max_fragments: int,
        vlan_in_key: bool,
        interface_in_key: bool,
        preallocate: bool,
        filter: str,
        classification: ClassificationOptions | None = None,
    ) -> None: ...

class FileMeter(Meter):
    def __init__(
        self, paths: Sequence[bytes], metering: MeteringOptions, *, workers: int, queue_octets: int
    ) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def problems(self) -> list[tuple[bytes, str, str]]: ...
    def octets_read(self) -> int: ...

class LiveInterface:
    """An interface that has been opened; a LiveMeter uses it up."""

def ring_interface(
    *,
    name: str,
    filter: str,
    sockets: Sequence[int],
    spares: Sequence[int],
    ring_octets: int,
    block_timeout_ms: int,
    snap_octets: int,
    exported_index: int,
    promiscuous: bool,
) -> LiveInterface:
    """Takes over AF_PACKET sockets, one for each worker. Raises OSError; ValueError for a wrong filter."""

def pcap_interface(
    *,
    name: str,
    filter: str,
    ring_octets: int,
    block_timeout_ms: int,
    snap_octets: int,
    exported_index: int,
    promiscuous: bool,
) -> LiveInterface:
    """Raises OSError; ValueError for a wrong filter."""

def libpcap_version() -> str: ...
def network_device(socket: int, name: str) -> tuple[int, bool, int] | None:
    """ifIndex, up, LINKTYPE_ number (0: not one that a ring can read); None: no such network interface."""

def install_crash_report() -> None: ...
def drop_capabilities() -> None:
    """Of the calling thread, and so of those that it starts. Raises OSError."""

class LiveMeter(Meter):
    def __init__(
        self, interfaces: Sequence[LiveInterface], metering: MeteringOptions, *, queue_octets: int
    ) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def set_timeouts(
        self, *, active_timeout_ns: int, inactive_timeout_ns: int, tcp_linger_ns: int, tcp_fin_timeout_ns: int
    ) -> None: ...
    def set_own_exports(self, flows: Sequence[tuple[bytes, int, bytes, int]]) -> None: ...
    def states(self) -> list[dict[str, Any]]: ...
