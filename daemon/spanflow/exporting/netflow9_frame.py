# SPDX-License-Identifier: Apache-2.0
"""The frame of NetFlow version 9: header of the Export Packet, header of a FlowSet (RFC 3954 section 5).

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|       Version Number = 9      |            Count              |
|                           sysUpTime                           |
|                           UNIX Secs                           |
|                       Sequence Number                         |
|                        Source ID                              |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|          FlowSet ID           |          Length               |   then its records, filled up to 4 octets
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

Count: records of all kinds, Templates too. Sequence Number: of the Export Packet, from 0.
"""

from __future__ import annotations

import struct

from spanflow.exporting.frame import MODULUS, Frame
from spanflow.exporting.system_uptime import SECOND_MS, Moment

VERSION = 9
TEMPLATE_FLOWSET_ID = 0
OPTIONS_TEMPLATE_FLOWSET_ID = 1
HEADER_OCTETS = 20
FLOWSET_HEADER_OCTETS = 4
ALIGNMENT = 4
"""RFC 3954 section 5.3: a FlowSet should end at such a border."""


def frame(source_id: int) -> Frame:
    """What stands around Data Records; `moment_members` gives what the time decides."""
    return Frame(
        (
            ("version", ">u2"),
            ("count", ">u2"),
            ("uptime_ms", ">u4"),
            ("unix_seconds", ">u4"),
            ("sequence_number", ">u4"),
            ("source_id", ">u4"),
        ),
        constants={"version": VERSION, "source_id": source_id},
        set_header=(("set_id", ">u2"), ("set_length", ">u2")),
        alignment=ALIGNMENT,
        counts_messages=True,
    )


def moment_members(moment: Moment) -> dict[str, int]:
    """The members of the header that depend on the time."""
    return {"uptime_ms": moment.uptime_ms, "unix_seconds": moment.time_ms // SECOND_MS}


def export_packet(
    flowsets: bytes, *, count: int, moment: Moment, sequence_number: int, source_id: int
) -> bytes:
    """One Export Packet around its FlowSets, which have so many records."""
    members = moment_members(moment)
    return (
        struct.pack(
            ">HHIIII",
            VERSION,
            count,
            members["uptime_ms"] % MODULUS,
            members["unix_seconds"] % MODULUS,
            sequence_number % MODULUS,
            source_id,
        )
        + flowsets
    )


def flowset(flowset_id: int, records: bytes) -> bytes:
    """One FlowSet around its records, filled up with zero octets."""
    padding = -len(records) % ALIGNMENT
    header = struct.pack(">HH", flowset_id, FLOWSET_HEADER_OCTETS + len(records) + padding)
    return header + records + bytes(padding)
