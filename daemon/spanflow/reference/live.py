# SPDX-License-Identifier: Apache-2.0
"""Live interfaces through pcapy-ng (1.10, 9.5, 9.6). Its time stamps are microseconds."""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import time
from pathlib import Path

import pcapy

from spanflow.capture_sockets import NOT_PERMITTED, SNAP_HEADERS, SNAP_PAYLOAD
from spanflow.config.schema import Interface, Settings
from spanflow.errors import CaptureError, ConfigError, ExitCode
from spanflow.reference.filter import FrameFilter
from spanflow.reference.frame import Frame

_LINK_TYPE_RAW, _DLT_RAW = 101, 12
_LINK_TYPE_COOKED = 113
_ARPHRD_LOOPBACK = 772
_OUTGOING = 4

_NOT_PERMITTED, _NO_SUCH_DEVICE, _NOT_UP = (-8, -11), -5, -9
"""PCAP_ERROR_ codes of libpcap."""

_WENT_DOWN = "The interface went down"
"""What libpcap says, before version 1.10, once; then packets come again, or nothing, if it is gone."""

_SIOCGIFNAME = 0x8910

_LARGEST_BUFFER = 2**31 - 1
_LAG_NS = 100_000_000
_LONG_BLOCK_TIMEOUT_NS = 35_000_000
_NOISE_NS = 2_000_000
_INTERRUPTED_NS = 500_000
_HOUR_NS = 3_600_000_000_000


class LiveInterface:
    """An interface that has been opened; libpcap puts stripped VLAN tags back where they stood.

    Raises CaptureError, ConfigError for a filter that does not compile for it.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        interface = next((each for each in settings.interfaces if each.name == name), Interface(name=name))
        capture = interface.effective(settings.capture)
        snap = capture.snap_length or (SNAP_PAYLOAD if settings.dpi.enabled else SNAP_HEADERS)
        self.name, self.filter = name, capture.filter
        self._drops, self._closed = 0, False
        self._went_down = False
        self._kernel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # to ask, where the interface is
        self._wait_seconds = capture.block_timeout / 1e9
        # Not open_live, which leaves the buffer of the kernel at 2 MiB and tells an error as text alone.
        self._reader = pcapy.create(name)
        self._reader.set_snaplen(snap)
        self._reader.set_promisc(capture.promiscuous)
        self._reader.set_timeout(max(1, capture.block_timeout // 1_000_000))
        self._reader.set_buffer_size(min(capture.ring_size, _LARGEST_BUFFER))
        status = self._reader.activate()
        if status < 0:
            raise _refused(name, status)
        self._reader.setnonblock(1)  # next() of a blocking one waits for a packet however long it takes
        if _is_loopback(name):
            self._reader.setdirection(pcapy.PCAP_D_IN)  # 1.10: each packet is seen twice there
        link_type = self._reader.datalink()
        self.link_type = _LINK_TYPE_RAW if link_type == _DLT_RAW else link_type
        self._index = _index(name)
        self.first_interface = interface.index or self._index  # 12.4
        problem = FrameFilter(self.filter).problem(self.link_type)
        if problem:
            raise ConfigError(f"interfaces: {name}: filter: {problem}; see pcap-filter(7)")
        # 9.5: so that a packet that is still under way cannot meet a record that was closed too early.
        self.lag_ns = _LAG_NS
        if capture.block_timeout > _LONG_BLOCK_TIMEOUT_NS:
            self.lag_ns = 2 * capture.block_timeout + 30_000_000

    def read(self) -> Frame | None:
        """The next frame; None, after a block timeout at most, when there was none. Raises CaptureError when
        the interface is gone.
        """
        while True:
            try:
                header, octets = self._reader.next()
            except pcapy.PcapError as error:
                if str(error) != _WENT_DOWN:
                    raise CaptureError(f"capture {self.name}: {error}", ExitCode.UNAVAILABLE) from error
                self._went_down, header = True, None
            if header is None:
                if self._went_down and not self._exists():
                    raise CaptureError(f"capture {self.name}: it is gone", ExitCode.UNAVAILABLE)
                select.select([self._reader.getfd()], [], [], self._wait_seconds)
                return None
            if not self._is_outgoing_copy(octets):
                seconds, microseconds = header.getts()
                time_ns = seconds * 1_000_000_000 + microseconds * 1000
                return Frame(time_ns, octets, header.getlen(), self.link_type, 0)

    def kernel_drops(self) -> int:
        """Packets that found no room in the kernel's buffer."""
        if not self._closed:
            _, self._drops, _ = self._reader.stats()
        return self._drops

    def close(self) -> None:
        self.kernel_drops()  # the last word
        self._closed = True
        self._reader.close()
        self._kernel.close()

    def _exists(self) -> bool:
        """By its index: another one may have its name."""
        try:
            fcntl.ioctl(self._kernel, _SIOCGIFNAME, struct.pack("16xi20x", self._index))
        except OSError:
            return False
        return True

    def _is_outgoing_copy(self, octets: bytes) -> bool:
        """1.10, on the device `any`."""
        kind, hardware = int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:4], "big")
        return self.link_type == _LINK_TYPE_COOKED and (kind, hardware) == (_OUTGOING, _ARPHRD_LOOPBACK)


class ClockWatch:
    """9.6: steps of the wall clock, told by a clock that never steps."""

    def __init__(self) -> None:
        self._offset_ns: int | None = None

    def step_ns(self) -> int:
        """How far it has stepped since the last call: any step back, or one forward of more than an hour."""
        before_ns, wall_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after_ns - before_ns > _INTERRUPTED_NS:
            return 0  # another thread ran in between; the next call sees a step as well
        offset_ns = wall_ns - before_ns
        change_ns = 0 if self._offset_ns is None else offset_ns - self._offset_ns
        self._offset_ns = offset_ns
        return change_ns if change_ns < -_NOISE_NS or change_ns > _HOUR_NS else 0


def _is_loopback(name: str) -> bool:
    kind = Path("/sys/class/net", name, "type")
    return kind.is_file() and int(kind.read_text()) == _ARPHRD_LOOPBACK


def _index(name: str) -> int:
    """0 for what only libpcap knows."""
    return {existing: index for index, existing in socket.if_nameindex()}.get(name, 0)


def _refused(name: str, status: int) -> CaptureError:
    """status: what pcap_activate() gave."""
    if status in _NOT_PERMITTED:
        return CaptureError(f"capture {name}: {NOT_PERMITTED}", ExitCode.NO_PERMISSION)
    if status == _NO_SUCH_DEVICE:
        have = ", ".join(sorted(existing for _, existing in socket.if_nameindex()))
        text = f"capture {name}: no such interface (have: {have}); correct its name, or create it"
        return CaptureError(text, ExitCode.NO_INPUT)
    if status == _NOT_UP:
        text = f"capture {name}: it is down; bring it up: ip link set {name} up"
        return CaptureError(text, ExitCode.UNAVAILABLE)
    return CaptureError(f"capture {name}: libpcap cannot open it (error {status})", ExitCode.OS_ERROR)
