# SPDX-License-Identifier: Apache-2.0
"""The harness by itself: what it sends is what arrives, and nothing else does."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from craft.link import SERVICE_VLAN, Tag, ethernet
from craft.network import ipv4
from craft.transport import udp
from end_to_end.command import DEMO
from exporting.running_collector import wait_for
from live.harness.links import Link, network
from live.harness.namespace import Namespace
from live.harness.sender import Sender, evenly
from live.harness.traffic import udp_flows
from reference import read_capture

PACKET = ipv4("10.0.0.1", "10.0.0.2", udp(1000, 53, bytes(20)))
PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 8, 0x10


@pytest.fixture
def link() -> Iterator[Link]:
    with network("eth0") as (link,):
        yield link


def tap(link: Link) -> socket.socket:
    """A packet socket on the far end that also tells the metadata."""

    def opened() -> socket.socket:
        tapping = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        tapping.bind((link.far_name, 3))
        tapping.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        tapping.setsockopt(263, PACKET_AUXDATA, 1)
        tapping.settimeout(5)
        return tapping

    return link.far.inside(opened)


def seen(tapping: socket.socket) -> tuple[bytes, Tag | None]:
    """The next frame, and the tag in its metadata."""
    octets, ((_, _, auxdata), *_), *_ = tapping.recvmsg(65536, 256)
    status, tag, tpid = struct.unpack("I12xHH", auxdata)
    return octets, Tag(tag, tpid) if status & TP_STATUS_VLAN_VALID else None


def with_its_tag(octets: bytes, tag: Tag | None) -> bytes:
    """A frame as it was on the wire."""
    between = b"" if tag is None else struct.pack("!HH", tag.tpid, tag.priority << 13 | tag.vlan_id)
    return octets[:12] + between + octets[12:]


def test_counts(link: Link) -> None:
    with Sender(link.near, link.near_name) as sender:
        assert sender.send([ethernet(PACKET)] * 10) == 10
        assert sender.pace(evenly([ethernet(PACKET)] * 10, seconds=0.1)) == 10
        assert sender.send(udp_flows(100_000)) == 100_000
        assert sender.taken == 100_020
    wait_for(lambda: link.received() >= 100_020, "all frames")
    assert link.received() == 100_020


def test_replay_sends_the_frames_of_the_file(link: Link) -> None:
    frames = [frame.octets for frame in read_capture(DEMO, [])]
    with tap(link) as tapping, Sender(link.near, link.near_name) as sender:
        assert sender.replay(DEMO) == len(frames)
        assert [with_its_tag(*seen(tapping)) for _ in frames] == frames


@pytest.mark.parametrize("as_host", [False, True], ids=["from outside", "as host"])
@pytest.mark.parametrize(
    "tags", [(), (Tag(5),), (Tag(7, SERVICE_VLAN), Tag(5))], ids=["untagged", "802.1Q", "QinQ"]
)
def test_the_outer_tag_of_what_comes_from_outside_is_in_the_metadata(
    tags: tuple[Tag, ...], as_host: bool, link: Link
) -> None:
    frame = ethernet(PACKET, tags=tags)
    namespace, interface = (link.far, link.far_name) if as_host else (link.near, link.near_name)
    with tap(link) as tapping, Sender(namespace, interface, as_host=as_host) as sender:
        sender.send([frame])
        if tags and not as_host:
            assert seen(tapping) == (ethernet(PACKET, tags=tags[1:]), tags[0])
        else:
            assert seen(tapping) == (frame, None)


def test_namespace_is_gone_when_it_is_closed() -> None:
    namespace = Namespace()
    path = Path(namespace.path)
    assert "net:" in os.readlink(path)
    namespace.close()
    assert not path.is_symlink() or "net:" not in os.readlink(path)
