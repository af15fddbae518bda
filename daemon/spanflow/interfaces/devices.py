# SPDX-License-Identifier: Apache-2.0
"""What there is to capture on: interfaces as the kernel has them, and devices that only libpcap knows."""

from __future__ import annotations

import errno
import importlib
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spanflow.interfaces.ethtool import offloads
from spanflow.interfaces.netlink import IFLA_ADDRESS, IFLA_MTU, Link, links

_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_NUMBER = struct.Struct("=I")

# linux/if_arp.h, in the words of ip(8) where it has one.
_LINK_NAMES = {
    1: "ethernet",
    24: "ieee1394",
    32: "infiniband",
    280: "can",
    512: "ppp",
    519: "rawip",
    768: "ipip",
    769: "tunnel6",
    772: "loopback",
    776: "sit",
    778: "gre",
    801: "ieee802.11",
    803: "radiotap",
    804: "ieee802.15.4",
    823: "gre6",
    824: "netlink",
    826: "vsockmon",
    65534: "none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInterface:
    """One interface as the kernel has it.

    link_type: its ARPHRD number, link_name the word for it. running: it has a carrier. mtu: octets.
    address: of the link layer, as 02:00:00:00:00:01; empty without one. offloads: what is on and off, by the
    names that `ethtool -K` takes: `gro` and `lro` merge packets that arrive, `gso` and `tso` are cut only
    after a capture has seen them leave, `rxvlan` takes VLAN tags out of frames. One that the driver does not
    tell is not in it.
    """

    name: str
    index: int
    up: bool
    running: bool
    link_type: int
    link_name: str
    mtu: int
    address: str
    offloads: Mapping[str, bool]

    @property
    def state(self) -> str:
        """`up`, `no carrier` or `down`."""
        if not self.up:
            return "down"
        return "up" if self.running else "no carrier"


def list_interfaces() -> list[NetworkInterface]:
    """Every interface, by index. Raises OSError where netlink is not allowed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        found = [_interface(link, control) for link in links()]
    return sorted(found, key=lambda interface: interface.index)


def libpcap_devices() -> list[str]:
    """The devices that libpcap can open and that are no network interfaces: `any`, `nflog`, `usbmon0`.

    Raises OSError with libpcap's message.
    """
    # Late: it is of use to one command only. It has no type stubs, hence import_module.
    pcapy = importlib.import_module("pcapy")
    known = {name for _, name in socket.if_nameindex()}
    try:
        found = pcapy.findalldevs()
    except pcapy.PcapError as error:
        raise OSError(errno.EIO, str(error)) from error
    # libpcap also looks into /sys, which may show the interfaces of another namespace.
    return [name for name in found if name not in known and not Path("/sys/class/net", name).exists()]


def _interface(link: Link, control: socket.socket) -> NetworkInterface:
    return NetworkInterface(
        name=link.name,
        index=link.index,
        up=bool(link.flags & _IFF_UP),
        running=bool(link.flags & _IFF_RUNNING),
        link_type=link.link_type,
        link_name=_LINK_NAMES.get(link.link_type, f"type {link.link_type}"),
        mtu=_NUMBER.unpack(link.attributes[IFLA_MTU])[0],
        address=link.attributes.get(IFLA_ADDRESS, b"").hex(":"),
        offloads=offloads(control, link.name),
    )
