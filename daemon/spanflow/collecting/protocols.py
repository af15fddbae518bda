# SPDX-License-Identifier: Apache-2.0
"""The protocols that are read, told apart by the Version Number of each Message."""

from __future__ import annotations

from spanflow.collecting import ipfix, netflow5, netflow9
from spanflow.collecting.framing import Framing
from spanflow.collecting.malformed import MalformedMessageError, Reason
from spanflow.collecting.message import Header, Version

FRAMINGS: dict[Version, Framing] = {Version.IPFIX: ipfix.FRAMING, Version.NETFLOW9: netflow9.FRAMING}
"""Those with Templates. NetFlow v5 has none."""

_READ_HEADER = {
    Version.NETFLOW5: netflow5.read_header,
    Version.NETFLOW9: netflow9.read_header,
    Version.IPFIX: ipfix.read_header,
}
_VERSION_OCTETS = 2
_KNOWN = ", ".join(f"{version} ({version.title})" for version in Version)


def read_header(octets: bytes) -> Header:
    """Read the header of the Message that `octets` are, no less and no more.

    Raises MalformedMessageError for an unknown version, and for another length than the header says.
    """
    if len(octets) < _VERSION_OCTETS:
        text = f"{len(octets)} octets, a version number has {_VERSION_OCTETS}"
        raise MalformedMessageError(0, Reason.MESSAGE_LENGTH, text)
    version = int.from_bytes(octets[:_VERSION_OCTETS], "big")
    try:
        read = _READ_HEADER[Version(version)]
    except ValueError:
        raise MalformedMessageError(0, Reason.VERSION, f"{version}, known are {_KNOWN}") from None
    return read(octets)
