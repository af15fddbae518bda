# SPDX-License-Identifier: Apache-2.0
"""What a protocol cannot carry, or carries in another way than IPFIX: for `spanflow explain`."""

from __future__ import annotations

from collections.abc import Mapping

from spanflow.exporting.profiles import Note

PROTOCOL_NOTES: Mapping[str, tuple[Note, ...]] = {
    "ipfix": (),
    "netflow9": (
        Note("biflow", "There are none: each direction is a record of its own."),
        Note("own elements", "Left out, as there are no enterprise numbers; so are strings and flowId."),
        Note("tcpControlBits", "One octet: the eight flags without AE and the reserved bits."),
        Note("times", "By sysUptime, and beside it flowStartMilliseconds and flowEndMilliseconds."),
        Note("sequence", "Counts packets, so that a collector cannot tell how many records it misses."),
    ),
    "netflow5": (
        Note("IPv6", "There is no form for it: such records are dropped, and counted as unexportable."),
        Note("form", "48 octets for each direction; profile, elements and strings are not for choice."),
        Note("counters", "32 bits: a direction with more octets or packets is sent as several records."),
        Note("applicationId", "Not there; neither are VLAN, MAC addresses, flowEndReason and names."),
        Note("interfaces", "16 bits: an ifIndex above 65535 is sent as 0."),
        Note("sampling", "In the header of each packet; every packet is metered, so it says 1."),
        Note("domain", "engine_type and engine_id are the low 16 bits of it: two probes need two."),
    ),
    "json": (
        Note("form", "One object for each Flow, with both directions and every field, as a line."),
        Note("templates", "There are none, nor options: names of applications stand in each line."),
    ),
}
"""By the protocol of a collector."""
