# SPDX-License-Identifier: Apache-2.0
"""From when to when a certificate is valid, read from its DER form (RFC 5280 section 4.1).

The `ssl` module tells it only of the certificates of others.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_NS = 1_000_000_000


class Validity(NamedTuple):
    """Both in ns since the Unix epoch; the last moment is `not_after_ns`."""

    not_before_ns: int
    not_after_ns: int


def validity_of(der: bytes) -> Validity:
    """The validity of a certificate. Raises ValueError if it is none."""
    certificate, _ = _element(der, _SEQUENCE)
    rest, _ = _element(certificate, _SEQUENCE)
    if rest[:1] == bytes([_VERSION]):
        _, rest = _element(rest)
    for _ in ("serialNumber", "signature", "issuer"):
        _, rest = _element(rest)
    times, _ = _element(rest, _SEQUENCE)
    not_before_ns, times = _time(times)
    not_after_ns, _ = _time(times)
    return Validity(not_before_ns, not_after_ns)


def _element(octets: bytes, tag: int | None = None) -> tuple[bytes, bytes]:
    """The content of the first element, and what follows it."""
    if len(octets) < 2 or (tag is not None and octets[0] != tag):
        raise ValueError("not a certificate")
    start, length = 2, octets[1]
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(octets[2:start])
    end = start + length
    if end > len(octets):
        raise ValueError("the certificate is cut off")
    return octets[start:end], octets[end:]


def _time(octets: bytes) -> tuple[int, bytes]:
    content, rest = _element(octets)
    text = content.decode("ascii", "replace")
    # RFC 5280 sections 4.1.2.5.1 and 4.1.2.5.2: two digits mean 1950 to 2049; always seconds and a Z.
    if octets[0] == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif octets[0] != _GENERALIZED_TIME:
        raise ValueError("not a certificate")
    moment = datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    return int(moment.timestamp()) * _NS, rest
