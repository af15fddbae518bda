# SPDX-License-Identifier: Apache-2.0
"""Filters drawn at random, over few values so that they often match."""

from __future__ import annotations

from ipaddress import ip_network

from hypothesis import strategies as st

from spanflow.config.record_terms import (
    Amount,
    And,
    ApplicationNamed,
    AtRisk,
    CategoryNamed,
    Expression,
    Interface,
    IpVersion,
    Lasting,
    Network,
    Not,
    Or,
    Ports,
    Protocol,
    Side,
)

OPERATORS = ("<", "<=", ">", ">=", "=", "!=")
NETWORKS = (
    *("192.0.2.1/32", "192.0.2.0/30", "198.51.100.0/24", "192.0.0.0/9", "0.0.0.0/0", "203.0.113.0/25"),
    *("2001:db8::1/128", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1::2/127", "::/0", "::/96"),
)
PORTS = (1, 53, 80, 443, 2905, 40001, 65535)

_SIDES = st.sampled_from(Side)
_OPERATORS = st.sampled_from(OPERATORS)
_NAMES = st.sampled_from(("DNS", "dns", "Http", "Unknown", "ICMP", "TLS", "Google"))

TERMS = st.one_of(
    st.builds(Network, _SIDES, st.sampled_from(NETWORKS).map(ip_network)),
    st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS)).flatmap(
        lambda ports: st.builds(Ports, _SIDES, st.just(min(ports)), st.just(max(ports)))
    ),
    st.builds(Protocol, st.sampled_from((1, 6, 17, 58, 89, 132))),
    st.builds(IpVersion, st.sampled_from((4, 6))),
    st.builds(ApplicationNamed, _NAMES),
    st.builds(CategoryNamed, st.sampled_from(("Web", "network", "VoIP"))),
    st.builds(
        Amount, st.sampled_from(("packets", "octets")), _OPERATORS, st.sampled_from((0, 1, 8, 360, 672))
    ),
    st.builds(Lasting, _OPERATORS, st.sampled_from((0, 5_600_000_000, 5_864_197_532, 6_000_000_000))),
    st.builds(AtRisk),
    st.builds(Interface, st.integers(0, 5)),
)

EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
