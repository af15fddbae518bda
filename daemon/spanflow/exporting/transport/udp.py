# SPDX-License-Identifier: Apache-2.0
"""Messages over UDP (RFC 7011 section 10.3): one connected socket, many Messages per system call.

With UDP segmentation offload (UDP_SEGMENT, Linux 4.18) the kernel cuts one buffer into datagrams; most of the
cost of a datagram is the walk through the network stack, which is then made once for all of them.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import suppress

from spanflow.exporting.transport.addresses import Address
from spanflow.exporting.transport.interface import UDP, LocalFlow, Sent, Wait
from spanflow.exporting.transport.many_datagrams import MOST_RUNS, UDP_SEGMENT, ManyDatagrams
from spanflow.exporting.transport.marking import UNMARKED, Marking, mark
from spanflow.exporting.transport.socket_flow import flow_of
from spanflow.record import Array

# linux/in.h, linux/in6.h: not in the `socket` module.
_IP_MTU_DISCOVER, _IP_MTU = 10, 14
_IPV6_MTU_DISCOVER, _IPV6_MTU = 23, 24
_PMTUDISC_DONT, _PMTUDISC_DO = 0, 2

_MOST_SEGMENTS = 64  # UDP_MAX_SEGMENTS before Linux 6.9
_MOST_OCTETS_PER_CALL = 65_487
_SEND_BUFFER_OCTETS = 4 << 20

# By the path MTU no longer than a jumbo frame takes: many collectors read into buffers of 9,000 octets.
_LONGEST_BY_PATH_MTU = 8_972
_SHORTEST_BY_PATH_MTU = 512
_HEADERS_OCTETS = {socket.AF_INET: 20 + 8, socket.AF_INET6: 40 + 8}

_SEGMENTATION_REFUSED = (errno.EINVAL, errno.EIO, errno.EOPNOTSUPP, errno.EMSGSIZE)
_BUFFERS_FULL = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)
_BUFFERS_FULL_WAIT_S = 0.001
_BUFFERS_FULL_ATTEMPTS = 1000
_REFUSED_ATTEMPTS = 3


class UdpTransport:
    """A UDP socket connected to one address (see `Transport`). Raises OSError if it cannot be connected.

    discover_path_mtu: datagrams are not fragmented, and `max_message_octets` follows what the path takes;
    otherwise it says what the route takes as the kernel knows it.
    marking: of the packets, and where they come from.
    """

    reliable = False
    ended = ""
    rotation_due = False

    def __init__(
        self,
        address: Address,
        wait: Wait,
        *,
        discover_path_mtu: bool,
        marking: Marking = UNMARKED,
        new_socket: Callable[[int, int], socket.socket] = socket.socket,
    ) -> None:
        self.address = address
        self.refusals = 0
        self.last_error = ""
        self.path_mtu_changed = False
        self._wait = wait
        self._discover = discover_path_mtu
        self._segment_octets = 0
        self._many = ManyDatagrams()
        self._socket = new_socket(address.family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_OCTETS)
            if discover_path_mtu:
                self._set_discovery(_PMTUDISC_DO)
            mark(self._socket, marking)
            # A kernel that does not know it would send a run as one datagram.
            self._segmentation = self._knows_segmentation()
            self._socket.connect(address.sockaddr)
            self.flow: LocalFlow | None = flow_of(self._socket, UDP)
        except OSError:
            self._socket.close()
            raise

    def max_message_octets(self) -> int:
        """The longest Message that fits the path MTU as known now; rediscovers it after a change."""
        self.path_mtu_changed = False
        self._segmentation = self._knows_segmentation()
        if not self._discover:
            return self._octets_of_path()
        self._set_discovery(_PMTUDISC_DO)
        return min(self._octets_of_path(), _LONGEST_BY_PATH_MTU)

    def _octets_of_path(self) -> int:
        ipv6 = self.address.family == socket.AF_INET6
        level, option = (socket.IPPROTO_IPV6, _IPV6_MTU) if ipv6 else (socket.IPPROTO_IP, _IP_MTU)
        try:
            mtu = self._socket.getsockopt(level, option)
        except OSError:  # RFC 7011 section 10.3.3
            return _SHORTEST_BY_PATH_MTU
        return max(_SHORTEST_BY_PATH_MTU, mtu - _HEADERS_OCTETS[socket.AddressFamily(self.address.family)])

    def messages_per_call(self, message_octets: int) -> int:
        """How many Messages of this length `send` takes at once."""
        if not self._segmentation:
            return 1
        return max(1, min(_MOST_SEGMENTS, _MOST_OCTETS_PER_CALL // message_octets))

    def send(self, octets: memoryview, message_octets: int) -> Sent:
        """Send Messages that lie one after the other; only the last may be shorter than `message_octets`."""
        several = len(octets) > message_octets
        # Also a single Message is refused if the segment size that is set exceeds the path MTU.
        error = self._set_segment(message_octets if several else 0)
        error = error or self._send(octets)
        if not error:
            return Sent.ALL
        if several and error in _SEGMENTATION_REFUSED:
            self._segmentation = False
            return Sent.NONE_SEND_FEWER
        if error == errno.EMSGSIZE and self._discover and not self.path_mtu_changed:
            # The path got narrower. This Message goes in fragments; the next ones will be shorter.
            self.path_mtu_changed = True
            self._set_discovery(_PMTUDISC_DONT)
            error = self._send(octets)
            if not error:
                return Sent.ALL
        self.last_error = errno.errorcode.get(error, str(error))
        return Sent.NONE_TOO_LARGE if error == errno.EMSGSIZE else Sent.NONE_FAILED

    def send_many(self, buffer: Array, places: Array, message_octets: Array) -> int:
        """Send the runs of Messages that one system call takes (see `SendsManyRuns`)."""
        # A segment size that is set would cut a Message that goes alone.
        if self._set_segment(0):
            return 0
        taken, error = self._many.send(
            self._socket.fileno(), buffer, places[: MOST_RUNS + 1], message_octets[:MOST_RUNS]
        )
        self.refusals += error == errno.ECONNREFUSED
        return taken

    def unacknowledged_octets(self) -> int:
        """Nobody acknowledges: 0."""
        return 0

    def notice(self) -> None:
        """Count an ICMP answer that has come since the last call of `send`."""
        if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED:
            self.refusals += 1

    def finish(self, timeout_s: float) -> bool:
        """There is nothing to wait for."""
        return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send(self, octets: memoryview) -> int:
        """One call, repeated while it speaks of earlier datagrams or of full buffers; its errno, or 0."""
        refused = full = 0
        while True:
            try:
                self._socket.send(octets)
                return 0
            except OSError as failure:
                error = failure.errno or errno.EIO
            if error == errno.ECONNREFUSED:
                # The ICMP answer to an earlier datagram; nothing of this call was sent.
                self.refusals += 1
                refused += 1
                if refused == _REFUSED_ATTEMPTS:
                    return error
            elif error in _BUFFERS_FULL:
                full += 1
                if full == _BUFFERS_FULL_ATTEMPTS or self._wait(_BUFFERS_FULL_WAIT_S):
                    return error
            else:
                return error

    def _set_segment(self, octets: int) -> int:
        """Make the kernel cut what is longer into datagrams of so many octets (0: never); errno, or 0."""
        if octets == self._segment_octets:
            return 0
        try:
            self._socket.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, octets)
        except OSError:
            return errno.EOPNOTSUPP
        self._segment_octets = octets
        return 0

    def _knows_segmentation(self) -> bool:
        try:
            self._socket.getsockopt(socket.IPPROTO_UDP, UDP_SEGMENT)
        except OSError:
            return False
        return True

    def _set_discovery(self, mode: int) -> None:
        with suppress(OSError):  # IPv4 options on an IPv6 socket, where the kernel has no IPv4
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, mode)
        if self.address.family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, mode)
