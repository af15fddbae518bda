# SPDX-License-Identifier: Apache-2.0
"""The end of TCP Flows (semantics §6): FIN, RST, linger, half close, one scenario for each line."""

from __future__ import annotations

from craft.capture import SECOND, Capture
from craft.conversation import Pair, play
from golden.recipe import Recipe, scenario

OPEN = ("0 > S", "0.1 < SA", "0.2 > A", "0.3 > PA 100", "0.4 < PA 1000")


def fin_close() -> Recipe:
    """Both sides sent FIN and the side that received the last one acknowledged: end of Flow, though nothing
    follows.
    """
    return scenario(*OPEN, "1 > FA", "1.1 < FA", "1.2 > A")


def fin_without_last_acknowledgement() -> Recipe:
    """Both FINs but no segment with ACK and without FIN from the side that got the last: not ended."""
    return scenario(*OPEN, "1 > FA", "1.1 < A", "1.2 < FA")


def fin_acknowledged_by_data() -> Recipe:
    """Any segment with ACK and without FIN from the right side ends it: numbers are not examined."""
    return scenario(*OPEN, "1 < FA", "1.1 > PA 10", "1.2 > FA", "1.3 < PA 5", "3.3 > A", "3.300000001 > A")


def fin_linger() -> Recipe:
    """Late packets up to e + 2 s belong to the ended Flow and do not move e; 1 ns later a new Flow opens."""
    return scenario(
        *OPEN, "1 > FA", "1.1 < FA", "1.2 > A", "2 < FA", "2.5 > A", "3 < R", "3.2 > A", "3.200000001 > A"
    )


def fin_simultaneous() -> Recipe:
    """Both FINs cross: the ACK of the side that sent the last FIN (1.2 s) ends nothing, the other's (1.5 s)
    does.
    """
    return scenario(*OPEN, "1 > FA", "1.1 < FA", "1.2 < A", "1.5 > A", "3.5 < A", "3.500000001 < A")


def fin_retransmitted() -> Recipe:
    """Of FINs only the first of each side counts; a FIN with ACK never ends a Flow."""
    return scenario(*OPEN, "1 > FA", "1.1 < FA", "1.2 > FA", "1.3 < FA", "2 > A", "4 < A", "4.000000001 < A")


def fin_of_one_side_twice() -> Recipe:
    """Two FINs of one side are one: the other's ACK ends nothing, idle does."""
    return scenario(*OPEN, "1 > FA", "1.1 < A", "1.2 > FA", "1.3 < A", "17 < PA 1")


def fins_survive_a_split() -> Recipe:
    """A FIN seen before the active timeout counts after it; the continuation ends with fin."""
    lines = ["0 > S", "0.1 < SA", "1 > FA"] + [f"{seconds} < PA 10" for seconds in (11, 21, 31, 41, 51)]
    return scenario(*lines, "61 < PA 10", "62 < FA", "62.1 > A", "64.1 < A")


def rst() -> Recipe:
    """RST ends the Flow at its time; later packets and another RST up to e + 2 s belong to it, then a new
    Flow.
    """
    return scenario(*OPEN, "1 < RA", "2 > R", "3 > PA 50", "3.000000001 > PA 50")


def rst_first() -> Recipe:
    """A Flow may consist of one RST."""
    return scenario("0 < RA")


def rst_with_fin() -> Recipe:
    """RST wins over FIN in the same segment, also over one that would close."""
    return scenario(*OPEN, "1 > FA", "1.1 < FA", "1.2 > RFA", "2 > A")


def rst_after_close() -> Recipe:
    """A RST in the linger of a closed Flow changes neither reason nor time."""
    return scenario(*OPEN, "1 > FA", "1.1 < FA", "1.2 > A", "3.1 < R", "3.200000001 < R")


def scan_of_resets() -> Recipe:
    """SYN answered by RST, twice from the same port within the linger: the second SYN opens a new Flow at
    once.
    """
    return scenario("0 > S", "0.1 < RA", "1 > S", "1.1 < RA")


def syn_reopens() -> Recipe:
    """A SYN without ACK to an ended Flow opens a new one; a SYN+ACK does not."""
    return scenario(*OPEN, "1 > FA", "1.1 < FA", "1.2 > A", "1.5 < SA", "2 < S", "2.1 > SA", "2.2 < A")


def syn_to_a_living_flow() -> Recipe:
    """A SYN to a Flow that has not ended belongs to it, even with one FIN seen."""
    return scenario(*OPEN, "1 > FA", "1.5 > S", "1.6 < SA")


def linger_zero() -> Recipe:
    """tcp_linger 0: the Flow leaves at once, the late ACK of the same time stamp opens a new one."""
    return scenario(*OPEN, "1 > FA", "1.1 < FA", "1.2 > A", "1.2 < A", tcp_linger=0)


def linger_is_the_only_deadline() -> Recipe:
    """An ended Flow knows neither idle (1 s) nor active (2 s) timeout, only its linger of 5 s."""
    seconds = {"inactive_timeout": SECOND, "active_timeout": 2 * SECOND, "tcp_linger": 5 * SECOND}
    return scenario("0 > S", "0.5 < RA", "2 > A", "4 > A", "5.5 > A", "5.500000001 > A", **seconds)


def fin_timeout() -> Recipe:
    """tcp_fin_timeout 5 s: 1 ns before last + 5 s belongs to the half-closed Flow, exactly at it a new one
    opens.
    """
    return scenario(
        *OPEN, "1 > FA", "2 < PA 10", "6.999999999 < A", "11.999999999 < A", tcp_fin_timeout=5 * SECOND
    )


def fin_timeout_needs_a_half_close() -> Recipe:
    """With no FIN or with both FINs seen, tcp_fin_timeout does not apply."""
    return scenario(*OPEN, "10 > FA", "11 < FA", "19 < FA", tcp_fin_timeout=5 * SECOND)


def fin_timeout_at_the_end_of_input() -> Recipe:
    """The half-closed Flow's deadline is the highest time stamp itself."""
    capture = play(Capture(), *OPEN, "1 > FA")
    return Recipe(
        play(capture, "6 > udp", pair=Pair(client="10.0.0.9")).pcap(),
        settings={"tcp_fin_timeout": 5 * SECOND},
    )


def fin_timeout_idle_tie() -> Recipe:
    """inactive and tcp_fin_timeout both 5 s: idle wins."""
    return scenario(
        "0 > FA", "4 < A", "9 > A", "9.1 > A", tcp_fin_timeout=5 * SECOND, inactive_timeout=5 * SECOND
    )


def fin_timeout_active_tie() -> Recipe:
    """active and fin_timeout both at 6 s: active wins, then fin_timeout ends the Flow, whose empty record is
    not sent.
    """
    return scenario("0 > A", "1 > FA", "6 > A", tcp_fin_timeout=5 * SECOND, active_timeout=6 * SECOND)


def close_without_handshake() -> Recipe:
    """The end is found in Flows whose start was not captured; direction is that of the first packet."""
    return scenario("0 < FA", "0.1 > FA", "0.2 < A")
