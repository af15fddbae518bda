# SPDX-License-Identifier: Apache-2.0
"""All kinds of conversations, drawn from a source of random numbers."""

from __future__ import annotations

from collections.abc import Callable

from craft.datagram_exchanges import icmp_errors, with_ports, without_ports
from craft.fragment_exchanges import fragmented
from craft.odd_exchanges import contradictory, extended, offloaded
from craft.parties import Conversation, Place, Sent
from craft.tcp_exchanges import closing_tcp, tcp

KINDS: tuple[Callable[[Conversation], None], ...] = (
    *[tcp] * 7,
    *[closing_tcp] * 2,
    *[with_ports] * 3,
    *[without_ports] * 2,
    icmp_errors,
    *[fragmented] * 3,
    offloaded,
    contradictory,
    extended,
)


def exchange(place: Place, start_ns: int) -> list[Sent]:
    """One conversation from its first packet on."""
    conversation = Conversation(place, start_ns)
    place.random.choice(KINDS)(conversation)
    return conversation.sent
