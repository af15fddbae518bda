# SPDX-License-Identifier: Apache-2.0
"""veth pairs between two namespaces, and what their ends do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from exporting.running_collector import wait_for
from live.harness.namespace import Namespace, NotPermittedError, namespaces

LARGEST_MTU = 65_535


@dataclass(frozen=True, slots=True)
class Link:
    """A veth pair: what `near` sends arrives at `far`. No ARP, so nothing but a test sends."""

    near: Namespace
    far: Namespace
    near_name: str
    far_name: str

    def set(self, *words: str) -> None:
        """`ip link set` for the far end: `down`, `up`, `mtu 1400` …"""
        self.far.run("ip", "link", "set", self.far_name, *words)

    def remove(self) -> None:
        """Both ends."""
        self.far.run("ip", "link", "delete", self.far_name)

    def received(self) -> int:
        """Frames that the far end got from the near end since it was made."""
        return int(self.state()["stats64"]["rx"]["packets"])

    def state(self) -> dict[str, Any]:
        """The far end as `ip -json -statistics link` shows it."""
        (state,) = json.loads(
            self.far.run("ip", "-json", "-statistics", "link", "show", "dev", self.far_name)
        )
        assert isinstance(state, dict)
        return state

    @property
    def index(self) -> int:
        """The kernel's ifIndex of the far end."""
        return int(self.state()["ifindex"])

    def address(self, near_host: str, far_host: str) -> None:
        """Give the ends IPv4 addresses of one network, and tell each the other's MAC address."""
        ends = ((self.near, self.near_name, near_host), (self.far, self.far_name, far_host))
        for (namespace, name, host), (other, other_name, other_host) in (ends, ends[::-1]):
            namespace.run("ip", "address", "add", f"{host}/24", "dev", name)
            (state,) = json.loads(other.run("ip", "-json", "link", "show", "dev", other_name))
            neighbour = (other_host, "lladdr", state["address"], "dev", name, "nud", "permanent")
            namespace.run("ip", "neighbour", "add", *neighbour)

    def wait_until_up(self) -> None:
        """The kernel tells of a carrier a little later than `ip` returns."""
        wait_for(lambda: self.state()["operstate"] == "UP", f"{self.far_name} to be up")


def connect(near: Namespace, far: Namespace, *names: tuple[str, str], mtu: int = LARGEST_MTU) -> list[Link]:
    """veth pairs of (near end, far end), up on both sides."""
    lines = [
        f"link add {one} mtu {mtu} type veth peer name {other} mtu {mtu} netns {far.path}"
        for one, other in names
    ]
    near.run("ip", "-batch", "-", standard_input="\n".join(lines))
    for namespace, ends in zip((near, far), zip(*names, strict=True), strict=True):
        namespace.run(
            "ip", "-batch", "-", standard_input="\n".join(f"link set {end} arp off up" for end in ends)
        )
    links = [Link(near, far, one, other) for one, other in names]
    for link in links:
        link.wait_until_up()
    return links


@contextmanager
def network(*far_names: str, ipv6: bool = False, mtu: int = LARGEST_MTU) -> Iterator[list[Link]]:
    """A namespace that sends, one that receives, and a veth pair for each far end: `t-eth0` → `eth0`.

    Skips the test where namespaces are not permitted.
    """
    try:
        with namespaces(2, ipv6=ipv6) as (near, far):
            yield connect(near, far, *((f"t-{name}", name) for name in far_names), mtu=mtu)
    except NotPermittedError:
        pytest.skip("network namespaces are not permitted here")
