# SPDX-License-Identifier: Apache-2.0
"""What IPFIX and NetFlow v9 frame alike: Sets behind a Message Header (RFC 7011 section 3.3).

    Set Header      | Set ID | Length |

Both have 2 octets; the Length includes them. NetFlow v9 calls them FlowSets (RFC 3954 section 5). Where the
two protocols differ, a `Framing` says it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from spanflow.collecting.cursor import Cursor
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.templates import Template

_SET_HEADER = struct.Struct("!HH")

ReadTemplates: TypeAlias = Callable[[Cursor, bool, Mapping[int, Template], int], Iterator[Template | int]]
"""Reads the records of a Template Set, or of an Options Template Set if the flag is set.

It gets the Templates that are in force, by Template ID: a record equal to one of them gives that very object,
so that a refresh costs nothing. The number bounds the fields of one record. It gives a Template for each
definition and the Template ID for each withdrawal, and raises MalformedMessageError.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How one protocol frames its Templates and Data Records."""

    header_octets: int
    template_set_id: int
    options_template_set_id: int
    aligned: bool
    """Whether Sets are padded to 4 octets, with what only should be zero; else padding is free and zero."""
    read_templates: ReadTemplates


class SetSpan(NamedTuple):
    """Where the content of a Set lies in its Message; the Set Header lies before `start`."""

    set_id: int
    start: int
    end: int


def read_set_headers(octets: bytes, header_octets: int) -> list[SetSpan]:
    """Find the Sets of a Message whose header was read. Raises MalformedMessageError for a wrong length."""
    spans: list[SetSpan] = []
    offset = header_octets
    while offset < len(octets):
        left = len(octets) - offset
        if left < _SET_HEADER.size:
            raise MalformedMessageError(offset, Reason.SET_LENGTH, f"{left} octets left, a set header has 4")
        set_id, length = _SET_HEADER.unpack_from(octets, offset)
        if length < _SET_HEADER.size:
            raise MalformedMessageError(
                offset + 2, Reason.SET_LENGTH, f"{length}, the set header alone has 4"
            )
        if length > left:
            raise MalformedMessageError(
                offset + 2, Reason.SET_LENGTH, f"{length}, the message has {left} more octets"
            )
        spans.append(SetSpan(set_id, offset + _SET_HEADER.size, offset + length))
        offset += length
    return spans
