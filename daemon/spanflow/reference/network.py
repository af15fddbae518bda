# SPDX-License-Identifier: Apache-2.0
"""IPv4 and IPv6 headers: addresses, length, protocol, fragments (semantics §1 and §4)."""

from __future__ import annotations

from oracle.frame import DiscardError, Frame
from oracle.link import decode_link
from oracle.packet import Fragment, Packet
from oracle.transport import TCP, UDP, decode_transport

HOP_BY_HOP, ROUTING, FRAGMENT, AH, DESTINATION_OPTIONS = 0, 43, 44, 51, 60
EXTENSION_HEADERS = (HOP_BY_HOP, ROUTING, FRAGMENT, AH, DESTINATION_OPTIONS)
MAXIMUM_EXTENSION_HEADERS = 16
IPV4_PREFIX = bytes(10) + b"\xff\xff"


def decode(frame: Frame) -> Packet:
    """The packet of a frame. Raises DiscardError with the one reason."""
    link = decode_link(frame)
    read = _ipv4 if link.version == 4 else _ipv6
    packet = read(frame, link.offset)
    packet.vlan_id = link.vlan_id
    packet.source_mac_address = link.source_mac_address
    packet.destination_mac_address = link.destination_mac_address
    packet.ingress_interface = frame.interface + 1
    return packet


def _ipv4(frame: Frame, start: int) -> Packet:
    header = frame.need(start, 20, frame.wire_length)
    header_length = (header[0] & 0x0F) * 4
    total_length = int.from_bytes(header[2:4], "big")
    if header[0] >> 4 != 4 or header_length < 20 or 0 < total_length < header_length:
        raise DiscardError("malformed")
    octets = total_length or frame.wire_length - start
    frame.need(start, header_length, start + octets)
    fragment_word = int.from_bytes(header[6:8], "big")
    identification = int.from_bytes(header[4:6], "big")
    fragment = None
    if fragment_word & 0x1FFF:
        fragment = Fragment("later", header[9], identification)
    elif fragment_word & 0x2000:
        fragment = Fragment("first", header[9], identification)
    packet = Packet(
        time_ns=frame.time_ns,
        ip_version=4,
        source_address=IPV4_PREFIX + header[12:16],
        destination_address=IPV4_PREFIX + header[16:20],
        protocol_identifier=header[9],
        octets=octets,
        ip_class_of_service=header[1],
        ttl=header[8],
        fragment=fragment,
    )
    if fragment is None or fragment.place == "first":
        decode_transport(frame, start + header_length, start + octets, packet)
    return packet


def _ipv6(frame: Frame, start: int) -> Packet:
    header = frame.need(start, 40, frame.wire_length)
    if header[0] >> 4 != 6:
        raise DiscardError("malformed")
    payload_length = int.from_bytes(header[4:6], "big")
    chain = _Chain(frame, start, payload_length, header[6])
    if payload_length == 0:
        chain.settle_length()
    packet = Packet(
        time_ns=frame.time_ns,
        ip_version=6,
        source_address=header[8:24],
        destination_address=header[24:40],
        protocol_identifier=chain.protocol,
        octets=chain.end - start,
        ip_class_of_service=int.from_bytes(header[:2], "big") >> 4 & 0xFF,
        ttl=header[7],
        fragment=chain.fragment,
    )
    if chain.has_transport:
        decode_transport(frame, chain.offset, chain.end, packet)
    return packet


class _Chain:
    """The extension headers of one packet: where they lead, and where the packet ends.

    A payload length of 0 leaves the end open: the chain is then read up to the wire length, until a jumbo
    option or `settle_length` decides.
    """

    def __init__(self, frame: Frame, start: int, payload_length: int, next_header: int) -> None:
        self.frame, self.start = frame, start
        self.end = start + 40 + payload_length if payload_length else frame.wire_length
        self.length_known = payload_length != 0
        self.offset, self.protocol = start + 40, next_header
        self.fragment: Fragment | None = None
        for number in range(MAXIMUM_EXTENSION_HEADERS):
            if not self._at_extension_header:
                break
            self._skip_header(is_first=number == 0)

    @property
    def _at_extension_header(self) -> bool:
        """Behind a later fragment's header there is no header, only data."""
        return self.protocol in EXTENSION_HEADERS and not self._is_later_fragment

    @property
    def _is_later_fragment(self) -> bool:
        return self.fragment is not None and self.fragment.place == "later"

    @property
    def has_transport(self) -> bool:
        """False also when more than 16 extension headers were there: then the protocol is the next one of
        them.
        """
        return not self._is_later_fragment and self.protocol not in EXTENSION_HEADERS

    def _skip_header(self, *, is_first: bool) -> None:
        head = self.frame.need(self.offset, 2, self.end)
        length = {FRAGMENT: 8, AH: (head[1] + 2) * 4}.get(self.protocol, (head[1] + 1) * 8)
        header = self.frame.need(self.offset, length, self.end)
        # RFC 8200 section 4.1: hop-by-hop options stand directly behind the IPv6 header or mean nothing.
        if self.protocol == HOP_BY_HOP and is_first and not self.length_known:
            self._read_jumbo(header)
        elif self.protocol == FRAGMENT:
            self._read_fragment(header)
        self.offset, self.protocol = self.offset + length, header[0]

    def _read_jumbo(self, header: bytes) -> None:
        """RFC 2675: option type 0xC2, four octets of length, which only makes sense above 65,535."""
        at = 2
        while at + 2 <= len(header):
            if header[at] == 0:
                at += 1
                continue
            value = header[at + 2 : at + 2 + header[at + 1]]
            if header[at] == 0xC2 and header[at + 1] == 4 and len(value) == 4:
                length = int.from_bytes(value, "big")
                if length > 65535:
                    self.end, self.length_known = self.start + 40 + length, True
                return
            at += 2 + header[at + 1]

    def _read_fragment(self, header: bytes) -> None:
        word = int.from_bytes(header[2:4], "big")
        identification = int.from_bytes(header[4:8], "big")
        if word & 0xFFF8:
            self.fragment = Fragment("later", header[0], identification)
        elif word & 1 and self.fragment is None:
            self.fragment = Fragment("first", header[0], identification)

    def settle_length(self) -> None:
        """A payload length of 0 is the wire's if the transport header proves an offloaded frame, else really
        0.
        """
        if not self.length_known and not self._proves_offload():
            self.end = self.start + 40
            if self.offset > self.end:
                raise DiscardError("malformed")

    def _proves_offload(self) -> bool:
        frame = self.frame
        if not self.has_transport:
            return False
        if self.protocol == TCP and self.offset + 20 <= frame.wire_length:
            return frame.need(self.offset, 13, frame.wire_length)[12] >> 4 >= 5
        if self.protocol == UDP and self.offset + 8 <= frame.wire_length:
            return frame.need(self.offset, 6, frame.wire_length)[4:6] == bytes(2)
        return False
