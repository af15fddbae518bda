# SPDX-License-Identifier: Apache-2.0
"""Templates of NetFlow version 9, made of those of IPFIX.

Elements up to 127 mean the same in both (RFC 7012 section 4.2), and collectors know many of the others. There
are no enterprise elements and no variable lengths. What else differs:

- Times are told by 22 and 21, relative to sysUptime: goflow2 and akvorado read no others in version 9.
  nfacctd prefers them; so does nfdump unless 21 is 0. It is 0 for a Flow that ended before all times that can
  be told: so the absolute ones, 152 and 153, stay beside them, for such a Flow and for those who know them.
- TCP_FLAGS (6) is one octet (RFC 3954 section 8): of two octets nfacctd takes the first, which is the wrong.
- ICMP_TYPE (32) is that of IPv6 too: nfdump does not know icmpTypeCodeIPv6 (139), and shows 0.0 in its place.
- flowId (148) is left out: for nfdump it is the connection of a firewall's event, and the Flow then an event.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from spanflow.exporting.encode import Rows
from spanflow.exporting.system_uptime import Moment, times_of
from spanflow.exporting.template import Source, Template
from spanflow.fields import Operation
from spanflow.information_elements import VARIABLE_LENGTH, InformationElement, by_name
from spanflow.record import Batch

_STAMPS = {"flowStartSysUpTime": "first_ns", "flowEndSysUpTime": "last_ns"}
"""Which member of a half tells the value."""

_LEFT_OUT = {"flowId", *_STAMPS}
"""Stamps: they get their place among the times."""

_TCP_FLAGS = "tcpControlBits"
_LATER = Source(0, Operation.COPY)
"""The value is written when the time of sending is known, or in another form; until then it is 0."""


def netflow9_template(template: Template) -> Template:
    """The template with what version 9 can carry. Raises ValueError for one of Biflows."""
    if len(template.halves) != 2:
        raise ValueError(f"template {int(template.template_id)}: NetFlow version 9 has no Biflows")
    columns: list[tuple[InformationElement, Source, Source]] = []
    for element, *sources in zip(template.elements, *template.halves, strict=True):
        if element.pen or element.length == VARIABLE_LENGTH or element.name in _LEFT_OUT:
            continue
        if element.name == _TCP_FLAGS:
            columns.append((replace(element, length=1), _LATER, _LATER))
        else:
            columns.append((_renamed(element), sources[0], sources[1]))
    names = [element.name for element, *_ in columns]
    place = next(
        (names.index(name) for name in names if name.startswith(("flowStart", "flowEnd"))), len(names)
    )
    columns[place:place] = [(by_name(name), _LATER, _LATER) for name in _STAMPS]
    elements, forward, reverse = zip(*columns, strict=True)
    return Template(template.template_id, elements, (forward, reverse))


def _renamed(element: InformationElement) -> InformationElement:
    """The field that stands for an element."""
    return by_name("icmpTypeCodeIPv4") if element.name == "icmpTypeCodeIPv6" else element


class LateColumns:
    """Writes what a template has in another form than Flow Records into rows of its Data Records."""

    def __init__(self, template: Template) -> None:
        offsets, offset = {}, 0
        for element in template.elements:
            offsets[element.name] = offset
            offset += element.length
        names = [name for name in (*_STAMPS, _TCP_FLAGS) if name in offsets]
        self._row = np.dtype(
            {
                "names": names,
                "formats": ["u1" if name == _TCP_FLAGS else ">u4" for name in names],
                "offsets": [offsets[name] for name in names],
                "itemsize": offset,
            }
        )
        self._has_flags = _TCP_FLAGS in names

    def write(self, rows: Rows, batch: Batch, moment: Moment) -> None:
        """The values of these rows, which come from this batch, for Messages of this moment."""
        target: Any = rows.records.view(self._row)
        for name, member in _STAMPS.items():
            target[name] = moment.stamps(times_of(rows, batch, member))
        if self._has_flags:
            target[_TCP_FLAGS] = times_of(rows, batch, "tcp_control_bits")
