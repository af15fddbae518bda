# SPDX-License-Identifier: Apache-2.0
"""The native Metering Process, as bindings*.cpp offer it."""

from collections.abc import Sequence
from typing import Any

RECORD_OCTETS: int
DIRECTION_OCTETS: int
CONTINUATION: int
END_DETAILS: list[str]
FLOW_OCTETS: float
CLASSIFICATION_OCTETS: int
FIRST_PACKET_OCTETS: int
EXPIRY_LAG_BOUNDS_MS: list[int]

def record_layout() -> list[tuple[str, str, int]]: ...
def direction_layout() -> list[tuple[str, str, int]]: ...

class FirstPackets:
    """The first packets of the records of a batch, so many of each; exports them read-only."""

    def __buffer__(self, flags: int, /) -> memoryview: ...

class Batch:
    """Records of one IP version; exports them through the buffer protocol, read-only."""

    def __len__(self) -> int: ...
    @property
    def ip_version(self) -> int: ...
    @property
    def details(self) -> bytes: ...
    @property
    def first_packets(self) -> FirstPackets | None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class Meter:
    def pop(self, timeout_ms: int) -> Batch | None: ...
    def finished(self) -> bool: ...
    def set_capacity(self, flows: int) -> None:
        """Raises ValueError for more than the cache was made for, or fewer than there are workers."""

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
        first_packets: int,
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
    def set_own_exports(self, flows: Sequence[tuple[bytes, int, bytes, int, int]]) -> None: ...
    def states(self) -> list[dict[str, Any]]: ...

class RowWriter:
    """Text of rows out of columns: CSV (RFC 4180, LF line ends), or JSON (ASCII), one object a line.

    kinds, one for each name, and what write() takes for it. A buffer has one value for each row, at any equal
    distance, in native byte order.

    integer         buffer of signed or unsigned integers of 1, 2, 4 or 8 octets
    null_integer    tuple: such a buffer, and u1: 0 where there is no value
    float           buffer of f8; NaN and infinities are no value
    seconds         buffer of i8, nanoseconds; written as exact seconds
    boolean         buffer of u1 or bool
    address         tuple: 16 octets for each row (n * 16, or n x 16), and u1: the IP version, else no value
    mac             6 octets for each row
    hexadecimal     buffer of u8, written as 16 digits
    choice          tuple: u1, u2 or u4, and a list of str that they are indexes of; one outside is no value
    text            list of str; None is no value
    integers        tuple: n x k integers, and i8: how many of the k there are

    No value is empty in CSV, null in JSON. A text of CSV that begins with = + - or @ stays as it is.
    """

    def __init__(self, names: Sequence[str], kinds: Sequence[str], *, json: bool) -> None: ...
    def header(self) -> bytes:
        """The first line of CSV; empty for JSON."""

    def write(self, rows: int, columns: Sequence[object]) -> bytes:
        """The lines of so many rows. Raises ValueError for a column of wrong length, type or shape."""
