# SPDX-License-Identifier: Apache-2.0
"""Columns of times in the forms that templates have beside milliseconds since 1970.

Those are in `row_plan`: every template has them, so they are made without new arrays. A time before 1970
counts as 1970 everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from spanflow.fields import Operation
from spanflow.record import Array

NANOSECONDS_PER_MILLISECOND = 1_000_000
_NANOSECONDS_PER_SECOND = np.uint64(1_000_000_000)
_NANOSECONDS_PER_MICROSECOND = np.uint64(1000)
_FROM_1900_TO_1970 = np.uint64(2_208_988_800)
"""Seconds: the NTP epoch is 1900 (RFC 5905)."""
_FRACTION_BITS = np.uint64(32)
_UNUSED_BITS = np.uint64((1 << 11) - 1)
"""Of the fraction, with microseconds: they must be 0 (RFC 7011 section 6.1.9)."""
_HIGHEST_32 = (1 << 32) - 1


def uptime_milliseconds(times_ns: Array, boot_ns: int) -> Array:
    """Milliseconds since `boot_ns`, modulo 2^32; a time before that is 0."""
    # Collectors add whole milliseconds to whole milliseconds.
    boot_ms = max(0, boot_ns) // NANOSECONDS_PER_MILLISECOND
    times_ms = np.maximum(times_ns, 0) // NANOSECONDS_PER_MILLISECOND
    milliseconds: Array = np.maximum(times_ms - np.int64(boot_ms), 0)
    return milliseconds & _HIGHEST_32


def _seconds(times_ns: Array) -> Array:
    seconds: Array = _since_1970(times_ns) // _NANOSECONDS_PER_SECOND
    return seconds & np.uint64(_HIGHEST_32)


def _ntp_nanoseconds(times_ns: Array) -> Array:
    return _ntp(_since_1970(times_ns))


def _ntp_microseconds(times_ns: Array) -> Array:
    since_1970 = _since_1970(times_ns)
    whole = since_1970 - since_1970 % _NANOSECONDS_PER_MICROSECOND
    stamps: Array = (_ntp(whole) + _UNUSED_BITS) & ~_UNUSED_BITS
    return stamps


def _ntp(since_1970: Array) -> Array:
    """NTP's 64 bits: seconds since 1900 modulo 2^32, then the fraction of a second in units of 2^-32.

    The fraction is rounded up: who rounds down, as some readers do, gets the same nanosecond or microsecond.
    """
    seconds, rest_ns = np.divmod(since_1970, _NANOSECONDS_PER_SECOND)
    fraction = (
        (rest_ns << _FRACTION_BITS) + _NANOSECONDS_PER_SECOND - np.uint64(1)
    ) // _NANOSECONDS_PER_SECOND
    stamps: Array = ((seconds + _FROM_1900_TO_1970) << _FRACTION_BITS) | fraction
    return stamps


def _duration_milliseconds(directions: Array) -> Array:
    first, last = (np.maximum(directions[name], 0) for name in ("first_ns", "last_ns"))
    milliseconds = last // NANOSECONDS_PER_MILLISECOND - first // NANOSECONDS_PER_MILLISECOND
    durations: Array = np.clip(milliseconds, 0, _HIGHEST_32)
    return durations


def _since_1970(times_ns: Array) -> Array:
    since: Array = np.maximum(times_ns, 0).view(np.uint64)
    return since


COMPUTED: Mapping[Operation, Callable[[Array], Array]] = {
    Operation.SECONDS: _seconds,
    Operation.NTP_MICROSECONDS: _ntp_microseconds,
    Operation.NTP_NANOSECONDS: _ntp_nanoseconds,
    Operation.DURATION_MILLISECONDS: _duration_milliseconds,
}
"""How a column of a Flow Record becomes one of these."""
