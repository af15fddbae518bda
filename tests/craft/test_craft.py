# SPDX-License-Identifier: Apache-2.0
"""Crafted octets are right by default, wrong only where told, and files hold what was put in."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from craft import link, network, payloads, transport
from craft.capture import SECOND, Capture, Interface
from craft.checksum import crc32c, internet_checksum
from craft.connection import Connection
from craft.conversation import EPOCH_NS, Pair, nanoseconds, play
from reference import read_capture

A4, B4, A6, B6 = "192.0.2.1", "198.51.100.2", "2001:db8::1", "2001:db8::2"


def test_checksums_of_the_rfcs() -> None:
    """RFC 1071 section 3 sums these octets to 0xddf2; the CRC32c check value is that of "123456789"."""
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2 ^ 0xFFFF
    assert crc32c(b"123456789") == 0xE3069283


SEGMENTS = {
    "tcp": transport.tcp(1, 2, "PA", b"odd"),
    "udp": transport.udp(1, 2, b"odd"),
    "dccp": transport.dccp(1, 2),
    "icmpv6": transport.icmpv6(128, 0, transport.echo(1, 1)),
}


@pytest.mark.parametrize("name", SEGMENTS)
def test_checksums_cover_the_pseudo_header(name: str) -> None:
    segment = SEGMENTS[name]
    packet = network.ipv6(A6, B6, segment)
    pseudo = packet[8:40] + struct.pack("!II", len(segment.octets), segment.protocol)
    assert internet_checksum(pseudo + packet[40:]) == 0


def test_udp_lite_covers_only_what_it_says() -> None:
    packets = [network.ipv4(A4, B4, transport.udp_lite(1, 2, data)) for data in (b"one", b"two")]
    assert packets[0][26:28] == packets[1][26:28]


@pytest.mark.parametrize("options", [b"", b"\x01" * 4, b"\x01" * 40])
def test_ipv4_header(options: bytes) -> None:
    packet = network.ipv4(A4, B4, transport.udp(1, 2, b"x"), options=options)
    size = 20 + len(options)
    assert (packet[0] & 15) * 4 == size
    assert internet_checksum(packet[:size]) == 0
    assert int.from_bytes(packet[2:4], "big") == len(packet)


def test_every_field_can_be_wrong() -> None:
    packet = network.ipv4(
        A4, B4, transport.udp(1, 2), version=5, ihl=2, total_length=7, protocol=9, checksum=3
    )
    assert packet[0] == 0x52
    assert (packet[2:4], packet[9], packet[10:12]) == (b"\0\7", 9, b"\0\3")
    segment = transport.tcp(1, 2, 0xFFF, data_offset=15, checksum=0xBEEF)
    assert network.ipv4(A4, B4, segment)[32:38] == bytes.fromhex("fffffaf0beef")
    assert (
        network.ipv6(A6, B6, segment, payload_length=1, next_header=2, version=9)[:7].hex()
        == "90000000000102"
    )


@pytest.mark.parametrize("size", [8, 16, 104, 112, 1000])
def test_fragments_make_up_the_packet(size: int) -> None:
    payload = transport.udp(1, 2, bytes(range(100)))
    whole4, whole6 = network.ipv4(A4, B4, payload), network.ipv6(A6, B6, payload)
    parts4 = network.ipv4_fragments(A4, B4, payload, size=size, identification=7)
    parts6 = network.ipv6_fragments(A6, B6, payload, size=size, identification=7)
    assert b"".join(part[20:] for part in parts4) == whole4[20:]
    assert b"".join(part[48:] for part in parts6) == whole6[40:]
    assert [bool(part[6] & 0x20) for part in parts4] == [bool(part[43] & 1) for part in parts6]
    assert not parts4[-1][6] & 0x20


@pytest.mark.parametrize(
    "options", [b"", b"\x1e\x00", b"\x1e\x03abc", network.jumbo_option(70000), b"\x1e\x10" + bytes(16)]
)
def test_extension_headers_are_whole_units(options: bytes) -> None:
    extension = network.hop_by_hop(options)
    assert len(extension.rest) + 1 == (extension.rest[0] + 1) * 8


def test_tags_and_padding() -> None:
    frame = link.ethernet(b"\x45", tags=[link.Tag(5, link.SERVICE_VLAN, 7), link.Tag(6)], minimum=60)
    assert frame[12:22].hex() == "88a8e005810000060800"
    assert len(frame) == 60


def test_seconds_are_exact() -> None:
    assert nanoseconds("14.999999999") == 14_999_999_999
    assert nanoseconds("-5") == -5 * SECOND


def test_a_script_is_a_conversation() -> None:
    capture = play(Capture(), "0 > S", "0.5 < SA 10")
    assert [frame.time_ns for frame in capture.frames] == [EPOCH_NS, EPOCH_NS + SECOND // 2]
    answer = capture.frames[1].octets
    assert (answer[26:30], answer[30:34]) == (bytes([10, 0, 0, 2]), bytes([10, 0, 0, 1]))
    assert (answer[47], len(answer)) == (0x12, 14 + 40 + 10)


@pytest.mark.parametrize("nanoseconds", [True, False])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_pcap_holds_what_was_put_in(tmp_path: Path, nanoseconds: bool, byte_order: str) -> None:
    capture = Capture()
    capture.add(EPOCH_NS + 123_456_000, b"whole")
    capture.add(EPOCH_NS + 5 * SECOND, b"cut", 99)
    octets = capture.pcap(nanoseconds=nanoseconds, byte_order=byte_order, link_type=276)
    assert _read(tmp_path / "1", octets) == [
        (EPOCH_NS + 123_456_000, b"whole", 5, 276, 0),
        (EPOCH_NS + 5 * SECOND, b"cut", 99, 276, 0),
    ]


@pytest.mark.parametrize("block", ["enhanced", "obsolete"])
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("tsresol", [None, 6, 9, 10, 0x80 | 10, 0x80 | 30])
@pytest.mark.parametrize("tsoffset", [None, -3600, EPOCH_NS // SECOND])
def test_pcapng_holds_what_was_put_in(
    tmp_path: Path, block: str, byte_order: str, tsresol: int | None, tsoffset: int | None
) -> None:
    capture = Capture()
    capture.add(EPOCH_NS + SECOND // 2, b"whole")
    capture.add(EPOCH_NS + 5 * SECOND, b"cut", 99, 1)
    interfaces = [Interface(1), Interface(113, tsresol=tsresol, tsoffset=tsoffset, name="two")]
    octets = capture.pcapng(interfaces, byte_order=byte_order, block=block, comment="a remark")
    assert (
        _read(tmp_path / "1", octets * 2)
        == [
            (EPOCH_NS + SECOND // 2, b"whole", 5, 1, 0),
            (EPOCH_NS + 5 * SECOND, b"cut", 99, 113, 1),
        ]
        * 2
    )


def test_cutting_keeps_the_wire_length() -> None:
    capture = Capture()
    capture.add(0, bytes(100))
    capture.add(0, bytes(10), 500)
    assert [(len(frame.octets), frame.original_length) for frame in capture.cut(54).frames] == [
        (54, 100),
        (10, 500),
    ]


def test_a_connection_counts_its_octets() -> None:
    """SYN, 5 octets and FIN from one side, SYN, 3,000 octets and FIN from the other."""
    talk = (
        Connection(Capture(), Pair(A6, B6), EPOCH_NS)
        .open()
        .send(">", b"hello")
        .send("<", bytes(3000))
        .close()
    )
    assert talk.numbers == {">": 1_000 + 7, "<": 5_000_000 + 3002}
    times = [frame.time_ns for frame in talk.capture.frames]
    assert times == sorted(times)
    assert max(len(frame.octets) for frame in talk.capture.frames) == 14 + 60 + 1400


def test_payloads_have_the_lengths_they_claim() -> None:
    hello = payloads.tls_client_hello("www.example.org")
    assert int.from_bytes(hello[3:5], "big") == len(hello) - 5
    assert int.from_bytes(hello[6:9], "big") == len(hello) - 9
    assert b"www.example.org" in hello
    assert len(payloads.ntp(3)) == 48
    exchange = payloads.ssh_key_exchange()
    assert int.from_bytes(exchange[:4], "big") == len(exchange) - 4
    assert len(exchange) % 8 == 0
    assert exchange[4] >= 4
    assert payloads.noise(70) == payloads.noise(71)[:70] != payloads.noise(70, "x")


def _read(path: Path, octets: bytes) -> list[tuple[int, bytes, int, int, int]]:
    path.write_bytes(octets)
    warnings: list[str] = []
    frames = list(read_capture(path, warnings))
    assert warnings == []
    return [
        (frame.time_ns, frame.octets, frame.wire_length, frame.link_type, frame.interface) for frame in frames
    ]
