# SPDX-License-Identifier: Apache-2.0
"""The usual arrangement: one link, one collector, one daemon that captures on the link's far end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from live.harness.collectors import Receiver, receiver
from live.harness.daemon import Daemon, spanflow_run
from live.harness.links import LARGEST_MTU, Link, network
from live.harness.sender import Sender


@dataclass(frozen=True, slots=True)
class Probe:
    """What `sender` sends is captured by `daemon`, which exports to `collector`."""

    link: Link
    sender: Sender
    daemon: Daemon
    collector: Receiver


@contextmanager
def probe(
    *arguments: str,
    settings: Mapping[str, str | int] | None = None,
    options: str = "",
    mtu: int = LARGEST_MTU,
) -> Iterator[Probe]:
    """Ready to meter `eth0`. arguments: more of `spanflow run`; options: those of the collector's URL."""
    with (
        network("eth0", mtu=mtu) as (link,),
        receiver(link.far) as collector,
        Sender(link.near, link.near_name) as sender,
        spanflow_run(
            link.far,
            *("-i", "eth0", "--collector", f"{collector.url}{options}", *arguments),
            settings=settings,
        ) as daemon,
    ):
        yield Probe(link, sender, daemon, collector)
