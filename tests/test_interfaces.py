# SPDX-License-Identifier: Apache-2.0
"""Interfaces and their counters, on devices that a test made in a network namespace of its own."""

from __future__ import annotations

import array
import errno
import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from craft.link import ethernet
from craft.network import ipv4
from craft.transport import udp
from exporting.running_collector import wait_for
from live.harness.links import Link, connect, network
from live.harness.sender import Sender
from spanflow.interfaces import (
    CardCounters,
    NetworkInterface,
    card_counters,
    libpcap_devices,
    list_interfaces,
    netlink,
    softnet_drops,
)

MTU = 1400
FRAME = ethernet(ipv4("10.0.0.1", "10.0.0.2", udp(1000, 53, bytes(20))))
# An EtherType for local experiments, which no kernel has a use for.
USELESS_FRAME = bytes(12) + b"\x88\xb5" + bytes(50)
SIOCETHTOOL, ETHTOOL_SGRO, ETHTOOL_STSO = 0x8946, 0x2C, 0x1F
NOBODY = 65_534


@pytest.fixture
def link() -> Iterator[Link]:
    with network("eth0", mtu=MTU) as (link,):
        yield link


def far_end(link: Link) -> NetworkInterface:
    (found,) = (each for each in link.far.inside(list_interfaces) if each.name == link.far_name)
    return found


def counters(link: Link) -> CardCounters:
    return link.far.inside(card_counters)[link.far_name]


def switch(link: Link, command: int, value: int) -> None:
    """What `ethtool -K` does, at the far end."""

    def ioctl() -> None:
        words = array.array("I", [command, value])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            request = struct.pack("16sP", link.far_name.encode(), words.buffer_info()[0])
            fcntl.ioctl(control, SIOCETHTOOL, request.ljust(40, b"\0"))

    link.far.inside(ioctl)


def test_only_the_interfaces_of_the_namespace(link: Link) -> None:
    found = link.far.inside(list_interfaces)
    assert [each.name for each in found] == ["lo", "eth0"]
    assert sorted(link.far.inside(card_counters)) == ["eth0", "lo"]
    loopback, ethernet_device = found
    assert (loopback.index, loopback.link_type, loopback.link_name) == (1, 772, "loopback")
    assert (ethernet_device.link_type, ethernet_device.link_name) == (1, "ethernet")


def test_index_address_and_mtu(link: Link) -> None:
    found = far_end(link)
    assert (found.index, found.address, found.mtu) == (link.index, link.state()["address"], MTU)
    link.set("mtu", "9000")
    assert far_end(link).mtu == 9000


def test_state(link: Link) -> None:
    assert far_end(link).state == "up"
    link.set("down")
    down = far_end(link)
    assert (down.up, down.running, down.state) == (False, False, "down")
    link.set("up")
    link.wait_until_up()
    link.near.run("ip", "link", "set", link.near_name, "down")
    wait_for(lambda: not far_end(link).running, "the carrier to go")
    assert (far_end(link).up, far_end(link).state) == (True, "no carrier")


def test_offloads(link: Link) -> None:
    assert sorted(far_end(link).offloads) == ["gro", "gso", "lro", "rxvlan", "tso"]
    for value in (1, 0, 1):
        switch(link, ETHTOOL_SGRO, value)
        assert far_end(link).offloads["gro"] is bool(value)
    before = dict(far_end(link).offloads)
    switch(link, ETHTOOL_STSO, 0)
    assert far_end(link).offloads == before | {"tso": False}
    # veth has the VLAN offload and no LRO.
    assert (before["rxvlan"], before["lro"]) == (True, False)


def test_card_counters_are_what_was_sent(link: Link) -> None:
    assert counters(link) == CardCounters(
        rx_packets=0, rx_dropped=0, rx_missed=0, rx_errors=0, rx_no_buffer=0
    )
    with Sender(link.near, link.near_name) as sender:
        sender.send([FRAME] * 1000)
        wait_for(lambda: counters(link).rx_packets >= 1000, "1000 packets")
        assert (counters(link).rx_packets, counters(link).rx_dropped) == (1000, 0)
        sender.send([USELESS_FRAME] * 7)
    wait_for(lambda: counters(link).rx_dropped >= 7, "7 packets that nobody wants")
    found = counters(link)
    assert (found.rx_packets, found.rx_dropped) == (1007, 7)
    assert (found.rx_missed, found.rx_errors, found.rx_no_buffer) == (0, 0, 0)


def test_more_interfaces_than_one_netlink_message_holds(link: Link) -> None:
    names = [(f"a{number}", f"b{number}") for number in range(60)]
    connect(link.near, link.far, *names)
    found = link.far.inside(list_interfaces)
    assert [each.name for each in found][:2] == ["lo", "eth0"]
    assert {each.name for each in found[2:]} == {far for _, far in names}
    assert [each.index for each in found] == sorted(each.index for each in found)
    assert len(link.far.inside(card_counters)) == len(found)


def test_an_interface_that_is_made_anew_counts_from_0(link: Link) -> None:
    with Sender(link.near, link.near_name) as sender:
        sender.send([FRAME] * 10)
        wait_for(lambda: counters(link).rx_packets == 10, "10 packets")
    before = far_end(link).index
    link.remove()
    assert [each.name for each in link.far.inside(list_interfaces)] == ["lo"]
    (again,) = connect(link.near, link.far, (link.near_name, link.far_name))
    assert far_end(again).index != before
    assert counters(again).rx_packets == 0


def test_a_name_that_is_not_utf_8(link: Link) -> None:
    name = os.fsdecode(b"e\xff0")
    link.set("down")
    link.set("name", name)
    assert [each.name for each in link.far.inside(list_interfaces)] == ["lo", "e\udcff0"]
    assert link.far.inside(list_interfaces)[1].offloads != {}


WITHOUT_PRIVILEGES = f"""
import os, sys
import spanflow.cli.interfaces
from spanflow.interfaces import card_counters, list_interfaces
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
    os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
print([each.offloads for each in list_interfaces() if each.name == "lo"], sorted(card_counters()))
print(sorted(sys.modules.keys() & {{"numpy", "pcapy", "spanflow._core", "ipfix"}}))
"""


def test_no_privileges_are_needed_and_nothing_slow_is_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PRIVILEGES], capture_output=True, text=True, check=True
    )
    loopback = [each.offloads for each in list_interfaces() if each.name == "lo"]
    assert done.stdout.splitlines() == [f"{loopback} {sorted(card_counters())}", "[]"]


class Answers:
    """A netlink socket that gives what a test says."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = list(parts)
        self.requests = 0

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def settimeout(self, _: float) -> None:
        return None

    def send(self, _: bytes) -> None:
        self.requests += 1

    def recv(self, _: int) -> bytes:
        return self._parts.pop(0)


def message(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body


def new_link(name: str, flags: int = 0) -> bytes:
    text = name.encode() + b"\0"
    attribute = struct.pack("=HH", 4 + len(text), netlink.IFLA_IFNAME) + text.ljust(
        -(-len(text) // 4) * 4, b"\0"
    )
    return message(16, bytes(16) + attribute, flags)


DONE = message(3, bytes(4))
INTERRUPTED = 0x10


def answer(monkeypatch: pytest.MonkeyPatch, *parts: bytes) -> Answers:
    answers = Answers(*parts)
    monkeypatch.setattr("socket.socket", lambda *_: answers)
    return answers


def test_a_list_that_changed_while_it_was_told_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = answer(
        monkeypatch,
        new_link("eth0") + new_link("eth1", INTERRUPTED),
        DONE,
        new_link("eth0"),
        new_link("eth2") + DONE,
    )
    assert [each.name for each in netlink.links()] == ["eth0", "eth2"]
    assert answers.requests == 2


def test_a_list_that_always_changes_is_taken_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = answer(monkeypatch, *[new_link("eth0", INTERRUPTED) + DONE] * 5)
    assert [each.name for each in netlink.links()] == ["eth0"]
    assert answers.requests == 5


def test_an_error_of_the_kernel_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, message(2, struct.pack("=i", -errno.EPERM) + bytes(16)))
    with pytest.raises(PermissionError):
        card_counters()


def test_softnet_drops_are_summed_over_the_cpus(tmp_path: Path) -> None:
    path = tmp_path / "softnet_stat"
    path.write_text("0122bf27 0000000a 00000001 00000000\n000bb258 00000010 000000ff 00000000\n")
    assert softnet_drops(path) == (26, 256)
    assert softnet_drops(tmp_path / "none") == (0, 0)
    assert min(softnet_drops()) >= 0


def test_devices_that_only_libpcap_knows(link: Link) -> None:
    assert "any" in libpcap_devices()
    assert not {name for _, name in socket.if_nameindex()} & set(libpcap_devices())
    # What /sys shows of the namespace where the tests run is not there.
    assert set(link.far.inside(libpcap_devices)) <= set(libpcap_devices())


def test_libpcap_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    import pcapy

    def fail() -> list[str]:
        raise pcapy.PcapError("no\x1bway")

    monkeypatch.setattr(pcapy, "findalldevs", fail)
    with pytest.raises(OSError, match="no\x1bway"):
        libpcap_devices()
