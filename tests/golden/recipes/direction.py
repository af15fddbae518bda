# SPDX-License-Identifier: Apache-2.0
"""Flow Key and direction (semantics §2 and §3)."""

from __future__ import annotations

from craft.capture import Capture, Interface
from craft.conversation import EPOCH_NS, Pair, play
from craft.link import Tag, ethernet
from golden.recipe import Recipe, of_frames, of_interfaces, scenario

PAIR = Pair()


def direction_syn() -> Recipe:
    """The sender of a SYN without ACK is the source, also of one with ECE and CWR."""
    return scenario("0 > SEC", "0.1 < SAE", "0.2 > A")


def direction_syn_ack() -> Recipe:
    """The SYN was lost: the receiver of the SYN+ACK is the source."""
    return scenario("0 < SA", "0.1 > A", "0.2 > PA 10")


def direction_first_packet() -> Recipe:
    """No handshake seen: the sender of the first packet, here the server, is the source, whatever comes
    later.
    """
    return scenario("0 < PA 100", "0.1 > A", "0.2 > S", "0.3 < SA")


def direction_udp() -> Recipe:
    """Without TCP it is the first packet's sender; flags in a UDP payload mean nothing."""
    return scenario("0 < udp 20", "0.1 > udp 40")


def direction_across_splits() -> Recipe:
    """Direction survives the active timeout: the continuation starts with an answer and has no forward
    packets.
    """
    return scenario(
        "0 > S", "0.1 < SA", "10 > A", "20 > A", "30 > A", "40 > A", "50 > A", "60 < PA 7", "61 < A"
    )


def same_ends() -> Recipe:
    """Both ends equal: every packet is forward. Equal addresses with two ports: two directions."""
    alone = Pair("192.0.2.7", "192.0.2.7", 7, 7)
    looped = Pair("192.0.2.7", "192.0.2.7", 7, 8)
    return of_frames(
        *(alone.frame(side, alone.udp(side)) for side in "><"),
        *(looped.frame(side, looped.udp(side)) for side in "<>"),
    )


def addresses_in_either_order() -> Recipe:
    """(a, b) and (b, a) are one Biflow whichever is larger, by address or by port."""
    capture = Capture()
    for number, pair in enumerate((Pair("10.0.0.9", "10.0.0.1", 5, 6), Pair("10.0.0.1", "10.0.0.9", 6, 5))):
        play(capture, "0 > udp 1", "0.001 < udp 2", pair=pair, start_ns=EPOCH_NS + number * 1000)
    return Recipe(capture.pcap())


def tcp_flags() -> Recipe:
    """tcpControlBits is the OR of each direction: all twelve low bits as seen, the data offset not among
    them.
    """
    frames = [
        PAIR.frame(side, PAIR.tcp(side, flags)) for side, flags in ((">", 0x002), ("<", 0xE12), (">", 0x138))
    ]
    return of_frames(*frames, PAIR.frame(">", PAIR.tcp(">", 0x0C0)))


def vlan_of_each_direction() -> Recipe:
    """vlanId is that of each direction's first packet; by default VLANs do not part a Biflow."""
    return _vlans()


def key_vlan() -> Recipe:
    """cache.key vlan: each outer tag has its Flows, untagged and priority-tagged frames are VLAN 0."""
    return _vlans(key=("vlan",))


def _vlans(**settings: object) -> Recipe:
    tags = (
        (">", [Tag(10)]),
        ("<", [Tag(20)]),
        (">", [Tag(20)]),
        ("<", [Tag(10), Tag(20)]),
        (">", []),
        (">", [Tag(0)]),
    )
    return of_frames(
        *(ethernet(PAIR.packet(side, PAIR.udp(side)), tags=stack) for side, stack in tags), **settings
    )


def interface_of_each_direction() -> Recipe:
    """ingressInterface is the interface number + 1 of each direction's first packet."""
    return _interfaces()


def key_interface() -> Recipe:
    """cache.key interface: each interface has its Flows."""
    return _interfaces(key=("interface",))


def key_vlan_and_interface() -> Recipe:
    """Both together."""
    return _interfaces(key=("vlan", "interface"))


def _interfaces(**settings: object) -> Recipe:
    capture = Capture()
    for number, (side, interface, stack) in enumerate(
        ((">", 0, [Tag(5)]), ("<", 1, [Tag(5)]), (">", 1, []), ("<", 0, [Tag(5)]))
    ):
        frame = ethernet(PAIR.packet(side, PAIR.udp(side)), tags=stack)
        capture.add(EPOCH_NS + number * 1000, frame, interface=interface)
    return of_interfaces(capture, Interface(name="eth0"), Interface(name="eth1"), **settings)
