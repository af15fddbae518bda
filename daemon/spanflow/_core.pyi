# SPDX-License-Identifier: Apache-2.0
"""The native Metering Process, as bindings.cpp offers it."""

from collections.abc import Sequence
from typing import Any

RECORD_OCTETS: int
DIRECTION_OCTETS: int
CONTINUATION: int
END_DETAILS: list[str]
FLOW_OCTETS: float

def record_layout() -> list[tuple[str, str, int]]: ...
def direction_layout() -> list[tuple[str, str, int]]: ...

class Batch:
    """Records of one IP version; exports them through the buffer protocol, read-only."""

    def __len__(self) -> int: ...
    @property
    def ip_version(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class Meter:
    def __init__(
        self,
        paths: Sequence[bytes],
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
        workers: int,
        queue_octets: int,
    ) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def pop(self, timeout_ms: int) -> Batch | None: ...
    def finished(self) -> bool: ...
    def counters(self) -> list[dict[str, Any]]: ...
    def problems(self) -> list[tuple[bytes, str, str]]: ...
    def octets_read(self) -> int: ...
    def filter_error(self) -> str: ...
    def failure(self) -> str: ...
