# SPDX-License-Identifier: Apache-2.0
"""The frame of IPFIX: Message header, Set header, and the numbers of RFC 7011 section 3.

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|       Version Number = 10     |            Length             |
|                           Export Time                         |
|                       Sequence Number                         |
|                    Observation Domain ID                      |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|          Set ID               |          Length               |   then the records of the Set
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
"""

from __future__ import annotations

import struct

from spanflow.exporting.frame import MODULUS as MODULUS
from spanflow.exporting.frame import Frame

VERSION = 10
TEMPLATE_SET_ID = 2
OPTIONS_TEMPLATE_SET_ID = 3
ENTERPRISE_BIT = 0x8000

MESSAGE_HEADER_OCTETS = 16
SET_HEADER_OCTETS = 4
HEADERS_OCTETS = MESSAGE_HEADER_OCTETS + SET_HEADER_OCTETS
LONGEST_MESSAGE = 65535

MESSAGE_HEADER = (
    ("version", ">u2"),
    ("length", ">u2"),
    ("export_time", ">u4"),
    ("sequence_number", ">u4"),
    ("observation_domain_id", ">u4"),
)
SET_HEADER = (("set_id", ">u2"), ("set_length", ">u2"))
"""Both headers as numpy's fields, for a run of Messages."""


def frame(observation_domain_id: int) -> Frame:
    """What stands around Data Records; `export_time` (Unix seconds) comes with each run."""
    return Frame(
        MESSAGE_HEADER,
        constants={"version": VERSION, "observation_domain_id": observation_domain_id},
        set_header=SET_HEADER,
    )


def message(body: bytes, *, export_time: int, sequence_number: int, observation_domain_id: int) -> bytes:
    """One Message around its Sets. export_time (Unix seconds) and sequence number are taken modulo 2^32."""
    return (
        struct.pack(
            ">HHIII",
            VERSION,
            MESSAGE_HEADER_OCTETS + len(body),
            export_time % MODULUS,
            sequence_number % MODULUS,
            observation_domain_id,
        )
        + body
    )


def set_of(set_id: int, records: bytes) -> bytes:
    """One Set around its records (RFC 7011 section 3.3.2), without padding."""
    return struct.pack(">HH", set_id, SET_HEADER_OCTETS + len(records)) + records
