# SPDX-License-Identifier: Apache-2.0
"""A connected stream socket that never blocks for long, and knows what the other side's kernel has.

Nothing here may hang: a collector that does not answer, or does not read, is given up after a time without
any progress, and a stop is noticed within a tenth of a second.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import termios
import time
from collections.abc import Callable
from contextlib import suppress

from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.interface import LocalFlow, Wait
from spanflow.exporting.transport.marking import Marking, mark
from spanflow.exporting.transport.socket_flow import flow_of, place_of

NewSocket = Callable[[int, int, int], socket.socket]
"""Family, type, protocol."""

Outstanding = Callable[[socket.socket], int]
"""Octets that a socket has taken and the other side's kernel has not acknowledged."""

# linux/tcp.h; TCP_USER_TIMEOUT and TCP_INFO are not in `socket` everywhere.
_TCP_INFO, _TCP_USER_TIMEOUT = 11, 18
_TCP_INFO_OCTETS, _UNACKED_AT, _LAST_ACK_AT = 104, 24, 56  # struct tcp_info: packets, and ms

SEND_BUFFER_OCTETS = 1 << 20
"""What may lie in the kernel at most, and so what is sent again when the connection is lost. The kernel
grants no more than net.core.wmem_max, and twice that for its own needs."""

_SLICE_S = 0.1
_KEEPALIVE_PROBES = 3
_READ_OCTETS = 1 << 16
_MOST_READS = 16


def tcp_outstanding(connected: socket.socket) -> int:
    """Of a TCP socket; the kernel still knows after an end."""
    answer = fcntl.ioctl(connected, termios.TIOCOUTQ, bytes(4))  # SIOCOUTQ of linux/sockios.h
    octets: int = struct.unpack("i", answer)[0]
    return octets


class StreamSocket:
    """A socket connected to one address. For one thread.

    Raises OSError with one line if it cannot be connected within `connect_timeout_s`.
    patience_s: after so long without any progress the other side is given up. ended: why the connection is of
    no more use; empty while it stands. written: octets that the kernel has taken.
    """

    def __init__(
        self,
        address: Address,
        wait: Wait,
        protocol: int,
        *,
        marking: Marking,
        connect_timeout_s: float,
        patience_s: float,
        new_socket: NewSocket = socket.socket,
        outstanding: Outstanding = tcp_outstanding,
    ) -> None:
        self.place = place_of(address)
        self.ended = ""
        self.written = 0
        self._wait = wait
        self._patience_s = patience_s
        self._outstanding = outstanding
        self._tcp = protocol == socket.IPPROTO_TCP
        self._half_closed = False
        self.socket = new_socket(address.family, socket.SOCK_STREAM, protocol)
        try:
            self.socket.setblocking(False)
            self._set_options(patience_s)
            mark(self.socket, marking)
            self._connect(address, connect_timeout_s)
            self.flow: LocalFlow = flow_of(self.socket, protocol)
        except OSError:
            self.socket.close()
            raise

    def write(self, octets: memoryview | bytes) -> bool:
        """Give all of it to the kernel. False: the connection is of no more use (`ended`)."""
        left = memoryview(octets)
        progress_s = asked_s = time.monotonic()
        while left and not self.ended:
            taken = self._write_some(left)
            now_s = time.monotonic()
            if taken:
                left = left[taken:]
                progress_s = now_s
                continue
            # After a slice it is tried again in any case: a slow reader frees less than makes it writable.
            if self.ended:
                break
            writable = self._await(select.POLLOUT, _SLICE_S)
            if now_s - progress_s >= self._patience_s:
                self.ended = self._silence(by_kernel=False)
            elif not writable and now_s - asked_s >= _SLICE_S:
                asked_s = now_s
                if self._wait(0):
                    self.ended = "stopped while the collector took nothing"
        return not self.ended

    def write_at_once(self, octets: bytes) -> None:
        """Give the kernel what it takes of it now: a farewell, which nobody has to hear."""
        if octets and not self.ended:
            self._write_some(memoryview(octets))

    def read(self, most: int = _READ_OCTETS) -> bytes:
        """What has come, without waiting; `ended` is set when it was the last."""
        try:
            octets = self.socket.recv(most)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as error:
            self._fail(error)
            return b""
        if not octets:
            self.ended = self.ended or f"{self.place}: the collector has closed the connection"
        return octets

    def discard(self) -> None:
        """Read and forget what has come, up to some 1 MiB, so that an end behind it is seen."""
        for _ in range(_MOST_READS):
            if self.ended or not self.read():
                return

    def await_octets(self, deadline_s: float) -> bool:
        """Wait until something has come, or an end. False: not until `deadline_s` (monotonic), or stopped."""
        while (left_s := deadline_s - time.monotonic()) > 0:
            if self._await(select.POLLIN, min(left_s, _SLICE_S)):
                return True
            if self._wait(0):
                return False
        return False

    def outstanding_octets(self) -> int:
        """Octets written that the other side's kernel has not acknowledged; also right after an end."""
        octets = self._outstanding(self.socket)
        # A FIN takes a sequence number, as an octet does.
        return octets - 1 if self._half_closed and self._tcp and octets else octets

    def await_acknowledged(self, timeout_s: float, notice: Callable[[], None]) -> bool:
        """Wait until everything written is acknowledged; False: it was not, in time or at all.

        notice: called again and again, to look at what comes. A stop does not break it off: it is for that.
        """
        deadline_s = time.monotonic() + timeout_s
        # No event tells of an acknowledgement, so look, first often.
        pause_s = 0.0005
        while self.outstanding_octets() and not self.ended:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            self._await(select.POLLHUP, min(pause_s, left_s))
            notice()
            pause_s = min(2 * pause_s, _SLICE_S)
        return not self.outstanding_octets()

    def end_our_half(self) -> None:
        """Send a FIN after what was written."""
        if not self.ended and not self._half_closed:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
                self._half_closed = True

    def close(self) -> None:
        """Close: what was written is still delivered, but not over a connection that was given up."""
        if self.socket.fileno() < 0:
            return
        if not self.ended:
            # What lies unread when a socket is closed makes the kernel reset the connection.
            self.discard()
        if self.ended:
            with suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.end_our_half()
        self.socket.close()

    def _set_options(self, patience_s: float) -> None:
        setting = self.socket.setsockopt
        setting(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_OCTETS)
        if not self._tcp:
            return
        whole_s = max(1, round(patience_s))
        setting(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        setting(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        setting(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, whole_s)
        setting(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, whole_s // _KEEPALIVE_PROBES))
        setting(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_PROBES)
        # RFC 5482: how long data may stay unacknowledged; without it the kernel tries for some 15 minutes.
        setting(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, max(1, round(patience_s * 1000)))

    def _connect(self, address: Address, timeout_s: float) -> None:
        error = self.socket.connect_ex(address.sockaddr)
        deadline_s = time.monotonic() + timeout_s
        while error == errno.EINPROGRESS:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise OSError(f"{self.place}: no answer for {timeout_s:g} s; look at the route and firewalls")
            if self._await(select.POLLOUT, min(left_s, _SLICE_S)):
                error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                break
            if self._wait(0):
                raise OSError(f"{self.place}: stopped while connecting")
        if error == errno.ECONNREFUSED:
            raise OSError(f"{self.place}: connection refused; start the collector, or correct the port")
        if error:
            raise OSError(f"{self.place}: {os.strerror(error).lower()}; look at the address and the route")

    def _await(self, event: int, seconds: float) -> bool:
        waiting = select.poll()
        waiting.register(self.socket, event)
        return bool(waiting.poll(max(0.0, seconds) * 1000))

    def _write_some(self, octets: memoryview) -> int:
        try:
            taken = self.socket.send(octets, socket.MSG_NOSIGNAL)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._fail(error)
            return 0
        self.written += taken
        return taken

    def _fail(self, error: OSError) -> None:
        if self.ended:
            return
        if error.errno == errno.ETIMEDOUT:
            self.ended = self._silence(by_kernel=True)
        elif error.errno in (errno.ECONNRESET, errno.EPIPE):
            self.ended = f"{self.place}: the collector has reset the connection"
        else:
            self.ended = f"{self.place}: {os.strerror(error.errno or errno.EIO).lower()}"

    def _silence(self, *, by_kernel: bool) -> str:
        """Why nothing has moved for so long: nobody is there, or somebody who does not read."""
        if self._tcp:
            information = self.socket.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_OCTETS)
            unacked: int = struct.unpack_from("=I", information, _UNACKED_AT)[0]
            last_ack_ms: int = struct.unpack_from("=I", information, _LAST_ACK_AT)[0]
            # Nothing is on its way to a receiver that is full. Nor is it when the kernel has given up; then a
            # full one has answered a probe, which come twice as late each time.
            if unacked or (by_kernel and last_ack_ms > 750 * self._patience_s):
                return f"{self.place}: no answer for {self._patience_s:g} s; the connection is dead"
        return f"{self.place}: the collector does not read, for {self._patience_s:g} s; look at its load"
