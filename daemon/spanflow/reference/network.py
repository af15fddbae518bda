# SPDX-License-Identifier: Apache-2.0
"""IPv4 and IPv6 headers: addresses, lengths, protocol (1.2, 1.3, 1.7, 1.8, 3.1, 3.5, 5.1 to 5.3)."""

from __future__ import annotations

from dpkt.ip import IP
from dpkt.ip6 import IP6, IP6FragmentHeader, IP6OptsHeader
from dpkt.tcp import TCP
from dpkt.udp import UDP

from spanflow.reference import transport
from spanflow.reference.frame import DiscardError, Frame
from spanflow.reference.link import decode_link
from spanflow.reference.packet import Fragment, Packet

HOP_BY_HOP, ROUTING, FRAGMENT, AH, DESTINATION_OPTIONS = 0, 43, 44, 51, 60
EXTENSION_HEADERS = (HOP_BY_HOP, ROUTING, FRAGMENT, AH, DESTINATION_OPTIONS)
MAXIMUM_EXTENSION_HEADERS = 16
IPV4_PREFIX = bytes(10) + b"\xff\xff"
JUMBO_PAYLOAD = 0xC2


def decode(frame: Frame) -> Packet:
    """The packet of a frame. Raises DiscardError with the one reason."""
    link = decode_link(frame)
    read = _ipv4 if link.version == 4 else _ipv6
    packet = read(frame, link.offset)
    packet.vlan_id = link.vlan_id
    packet.source_mac_address = link.source_mac_address
    packet.destination_mac_address = link.destination_mac_address
    return packet


def _ipv4(frame: Frame, start: int) -> Packet:
    header = frame.header(IP, start, frame.wire_length)
    header_length = header.hl * 4
    if header.v != 4 or header_length < 20 or 0 < header.len < header_length:
        raise DiscardError("malformed")  # 1.3
    octets = header.len or frame.wire_length - start  # 5.1, 5.2
    frame.need(start, header_length, start + octets)
    fragment = None
    if header.offset:
        fragment = Fragment("later", header.p, header.id)
    elif header.mf:
        fragment = Fragment("first", header.p, header.id)
    packet = Packet(
        frame=frame,
        time_ns=frame.time_ns,
        ip_version=4,
        source_address=IPV4_PREFIX + header.src,
        destination_address=IPV4_PREFIX + header.dst,
        protocol_identifier=header.p,
        octets=octets,
        ip_class_of_service=header.tos,
        ttl=header.ttl,
        network_offset=start,
        transport_offset=start + header_length,
        payload_offset=start + header_length,
        fragment=fragment,
    )
    if not packet.is_later_fragment:
        transport.decode_transport(frame, start + octets, packet)
    return packet


def _ipv6(frame: Frame, start: int) -> Packet:
    header = frame.header(IP6, start, frame.wire_length)
    if header.v != 6:
        raise DiscardError("malformed")  # 1.3
    chain = _Chain(frame, start, header.plen, header.nxt)
    if header.plen == 0:
        chain.settle_length()
    packet = Packet(
        frame=frame,
        time_ns=frame.time_ns,
        ip_version=6,
        source_address=header.src,
        destination_address=header.dst,
        protocol_identifier=chain.protocol,
        octets=chain.end - start,
        ip_class_of_service=header.fc,
        ttl=header.hlim,
        network_offset=start,
        transport_offset=chain.offset,
        payload_offset=chain.offset,
        fragment=chain.fragment,
    )
    if chain.has_transport:
        transport.decode_transport(frame, chain.end, packet)
    return packet


class _Chain:
    """The extension headers of one packet (1.8): where they lead, and where the packet ends.

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
        """3.5: behind a later fragment's header there is no header, only data."""
        return self.protocol in EXTENSION_HEADERS and not self._is_later_fragment

    @property
    def _is_later_fragment(self) -> bool:
        return self.fragment is not None and self.fragment.place == "later"

    @property
    def has_transport(self) -> bool:
        """False also when a 17th extension header follows: its number is the protocol then (1.8)."""
        return not self._is_later_fragment and self.protocol not in EXTENSION_HEADERS

    def _skip_header(self, *, is_first: bool) -> None:
        head = self.frame.header(IP6OptsHeader, self.offset, self.end)  # all begin as this one
        length = {FRAGMENT: 8, AH: (head.len + 2) * 4}.get(self.protocol, (head.len + 1) * 8)
        # RFC 8200 section 4.1: hop-by-hop options stand directly behind the IPv6 header or mean nothing.
        if self.protocol == HOP_BY_HOP and is_first and not self.length_known:
            # First: what this option says is the claim that the whole header is held against (1.2).
            self._read_jumbo(self.frame.octets[self.offset : self.offset + length])
        self.frame.need(self.offset, length, self.end)
        if self.protocol == FRAGMENT:
            self._read_fragment(self.frame.header(IP6FragmentHeader, self.offset, self.end))
        self.offset, self.protocol = self.offset + length, head.nxt

    def _read_jumbo(self, header: bytes) -> None:
        """RFC 2675: option type 0xC2, four octets of length, which only makes sense above 65,535 (5.3).

        Read plainly: dpkt refuses a header whose options do not end with it.
        """
        at = 2
        while at + 2 <= len(header):
            if header[at] == 0:
                at += 1
                continue
            value = header[at + 2 : at + 2 + header[at + 1]]
            if header[at] == JUMBO_PAYLOAD and header[at + 1] == 4 and len(value) == 4:
                length = int.from_bytes(value, "big")
                if length > 65535:
                    self.end, self.length_known = self.start + 40 + length, True
                return
            at += 2 + header[at + 1]

    def _read_fragment(self, header: IP6FragmentHeader) -> None:
        """3.1, 3.5: of several with offset 0, the first that says "more" counts."""
        if header.frag_off:
            self.fragment = Fragment("later", header.nxt, header.id)
        elif header.m_flag and self.fragment is None:
            self.fragment = Fragment("first", header.nxt, header.id)

    def settle_length(self) -> None:
        """5.3: the wire's if the transport header proves an offloaded packet, else really 0."""
        if not self.length_known and not self._proves_offload():
            self.end = self.start + 40
            if self.offset > self.end:
                raise DiscardError("malformed")

    def _proves_offload(self) -> bool:
        """Data offset and UDP length by their octets: the rest of the header may be cut."""
        frame = self.frame
        if not self.has_transport:
            return False
        if self.protocol == transport.TCP and self.offset + TCP.__hdr_len__ <= frame.wire_length:
            return frame.need(self.offset, 13, frame.wire_length)[12] >> 4 >= 5
        if self.protocol == transport.UDP and self.offset + UDP.__hdr_len__ <= frame.wire_length:
            return frame.need(self.offset, 6, frame.wire_length)[4:6] == bytes(2)
        return False
