# SPDX-License-Identifier: Apache-2.0
"""Rules of the user's own, which name applications (13.5)."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from spanflow.config.application_rules import ApplicationRule
from spanflow.reference.flows import Flow

_IPV4_IN_IPV6 = IPv6Network("::ffff:0:0/96")


class Rule:
    """One of them: each kind of condition that it has is met by one of its values."""

    def __init__(self, rule: ApplicationRule) -> None:
        self.name = rule.name
        self._networks = [_network(cidr) for cidr in rule.cidr]
        self._ports, self._server_names = rule.port, rule.server_name

    def matches(self, flow: Flow, server_name: str) -> bool:
        ends = (flow.source, flow.destination)
        addresses = [end.ip for end in ends]
        name = server_name.lower().removesuffix(".")
        return (
            (not self._networks or any(a in network for network in self._networks for a in addresses))
            and (not self._ports or any(low <= e.port <= high for low, high in self._ports for e in ends))
            and (
                not self._server_names
                or any(name == above or name.endswith("." + above) for above in self._server_names)
            )
        )


def _network(cidr: str) -> Any:
    """One of ::ffff:a.b.c.d addresses is one of IPv4; a larger one of IPv6 has no IPv4 address in it."""
    network = ip_network(cidr)
    if network.version == 6 and network.subnet_of(_IPV4_IN_IPV6):
        return IPv4Network((network.network_address.packed[12:], network.prefixlen - 96))
    return network
