# SPDX-License-Identifier: Apache-2.0
"""Values of the abstract data types (RFC 7011 section 6, RFC 7012 section 3) as Python and as JSON see them.

unsigned*, signed*, unsigned256   int, reduced-size encoding included (section 6.2)
float32, float64                  float; in JSON "NaN", "Infinity", "-Infinity" are strings
boolean                           bool
dateTime*                         int, nanoseconds since the Unix epoch; in JSON RFC 3339 text that
                                  keeps the precision of the type (0, 3, 6 or 9 decimals)
ipv4Address, ipv6Address          str, as people write them
macAddress                        str, aa:bb:cc:dd:ee:ff
string                            str; ill-formed UTF-8 becomes U+FFFD, NULs that fill a fixed length go
octetArray, lists, unknown types  str, hexadecimal
"""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import NamedTuple, TypeAlias

from spanflow.information_elements import VARIABLE_LENGTH

Value: TypeAlias = int | float | bool | str
JsonValue: TypeAlias = Value

# RFC 7011 section 6.1.9: NTP time starts on 1 January 1900.
_NTP_TO_UNIX_SECONDS = 2_208_988_800
_UNIT_NS = {0: 1_000_000_000, 3: 1_000_000, 6: 1_000, 9: 1}
"""Nanoseconds of the last digit, by decimals of a second."""

_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z, the last second that RFC 3339 can write."""


class Encoding(NamedTuple):
    """How a field of one type and length is read.

    struct_format: what `struct` reads for a fixed length ("" for a variable one: the reader gets bytes).
    convert: from what `struct` read to the Value; None: it is the Value. Raises ValueError.
    to_json: from the Value to what JSON shows; None: the Value itself.
    """

    struct_format: str
    convert: Callable[..., Value] | None = None
    to_json: Callable[..., JsonValue] | None = None


@lru_cache(maxsize=4096)
def calendar_text(seconds: int) -> str | None:
    """UTC date and time of a Unix second as YYYY-MM-DDThh:mm:ss, or None outside the years 1970 to 9999."""
    if not 0 <= seconds <= _LAST_SECOND:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _time_text(decimals: int, time_ns: int) -> JsonValue:
    """RFC 3339 text with `decimals` decimals, or a number of such units where RFC 3339 has no text for it."""
    seconds, fraction_ns = divmod(time_ns, 1_000_000_000)
    unit_ns = _UNIT_NS[decimals]
    text = calendar_text(seconds)
    if text is None:
        return time_ns // unit_ns
    if decimals == 0:
        return text + "Z"
    return f"{text}.{fraction_ns // unit_ns:0{decimals}d}Z"


def _ntp_ns(decimals: int, ntp: int) -> int:
    """Nanoseconds since the Unix epoch of a 64-bit NTP time, rounded to `decimals` decimals of a second.

    The highest bit tells the era, as in NTP itself: set, the time lies in 1968 to 2036, else in 2036 to 2104.
    """
    seconds, fraction = ntp >> 32, ntp & 0xFFFF_FFFF
    if not seconds & 0x8000_0000:
        seconds += 1 << 32
    # The fraction counts 2^-32 s; rounding undoes the encoder's truncation, to the last digit of the type.
    unit_ns = _UNIT_NS[decimals]
    units = (fraction * (1_000_000_000 // unit_ns) + (1 << 31)) >> 32
    return (seconds - _NTP_TO_UNIX_SECONDS) * 1_000_000_000 + units * unit_ns


def _seconds_ns(seconds: int) -> int:
    return seconds * 1_000_000_000


def _milliseconds_ns(milliseconds: int) -> int:
    return milliseconds * 1_000_000


def _boolean(octet: int) -> bool:
    # RFC 7011 section 6.1.5: 1 is true, 2 is false.
    if octet not in (1, 2):
        raise ValueError(f"{octet} is no boolean, 1 is true and 2 is false")
    return octet == 1


def _float_json(value: float) -> JsonValue:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _mac_address(octets: bytes) -> str:
    return octets.hex(":")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _padded_text(octets: bytes) -> str:
    return octets.rstrip(b"\0").decode("utf-8", "replace")


_NATIVE_SIZES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_INTEGERS = {
    "unsigned8": (1, False),
    "unsigned16": (2, False),
    "unsigned32": (4, False),
    "unsigned64": (8, False),
    "unsigned256": (32, False),  # RFC 9740 section 3
    "signed8": (1, True),
    "signed16": (2, True),
    "signed32": (4, True),
    "signed64": (8, True),
}
_FIXED = {
    "boolean": (1, Encoding("B", _boolean)),
    "macAddress": (6, Encoding("6s", _mac_address)),
    "ipv4Address": (4, Encoding("4s", socket.inet_ntoa)),
    "ipv6Address": (16, Encoding("16s", partial(socket.inet_ntop, socket.AF_INET6))),
    "dateTimeSeconds": (4, Encoding("I", _seconds_ns, partial(_time_text, 0))),
    "dateTimeMilliseconds": (8, Encoding("Q", _milliseconds_ns, partial(_time_text, 3))),
    "dateTimeMicroseconds": (8, Encoding("Q", partial(_ntp_ns, 6), partial(_time_text, 6))),
    "dateTimeNanoseconds": (8, Encoding("Q", partial(_ntp_ns, 9), partial(_time_text, 9))),
}


def encoding_of(type_name: str, length: int) -> Encoding:
    """How a field of the abstract data type `type_name` and `length` octets is read.

    Raises ValueError, saying which lengths are allowed, when the type cannot have that length. Only
    integers and float64 may be shorter than their type (RFC 7011 section 6.2).
    """
    if type_name in _INTEGERS:
        return _integer(type_name, length)
    if type_name in ("float32", "float64"):
        return _float(type_name, length)
    if type_name in _FIXED:
        size, encoding = _FIXED[type_name]
        if length != size:
            raise ValueError(f"{type_name} has {size} octets, not {_length_text(length)}")
        return encoding
    # A field without octets adds nothing, and a thousand of them would let one octet stand for a record
    # of a thousand values.
    if length == 0:
        raise ValueError(f"{type_name} has no octets")
    if type_name == "string":
        return Encoding("", _text) if length == VARIABLE_LENGTH else Encoding(f"{length}s", _padded_text)
    return Encoding("" if length == VARIABLE_LENGTH else f"{length}s", bytes.hex)


def _integer(type_name: str, length: int) -> Encoding:
    size, signed = _INTEGERS[type_name]
    if not 1 <= length <= size:
        allowed = "1 octet" if size == 1 else f"1 to {size} octets"
        raise ValueError(f"{type_name} has {allowed}, not {_length_text(length)}")
    if length in _NATIVE_SIZES:
        code = _NATIVE_SIZES[length]
        return Encoding(code.lower() if signed else code)
    return Encoding(f"{length}s", partial(int.from_bytes, byteorder="big", signed=signed))


def _float(type_name: str, length: int) -> Encoding:
    if length == 4:
        return Encoding("f", None, _float_json)
    if length == 8 and type_name == "float64":
        return Encoding("d", None, _float_json)
    allowed = "4 octets" if type_name == "float32" else "8 octets, or 4 in reduced size"
    raise ValueError(f"{type_name} has {allowed}, not {_length_text(length)}")


def _length_text(length: int) -> str:
    return "a variable length" if length == VARIABLE_LENGTH else str(length)
