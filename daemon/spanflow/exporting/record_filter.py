# SPDX-License-Identifier: Apache-2.0
"""The filter of a collector, applied to whole batches. What it may say is in `spanflow.config.record_filter`.

src is the initiator and dst the responder: both directions of a Flow match, or neither does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import partial, reduce
from ipaddress import IPv4Network

import numpy as np

from spanflow.applications import UNKNOWN, Applications
from spanflow.config.record_filter import parse_filter
from spanflow.config.record_terms import (
    Amount,
    And,
    ApplicationNamed,
    AtRisk,
    CategoryNamed,
    Expression,
    Interface,
    IpVersion,
    Lasting,
    Network,
    Not,
    Or,
    Ports,
    Protocol,
    Side,
)
from spanflow.config.schema import Collector
from spanflow.config.wording import nearest, quoted, shown
from spanflow.errors import ConfigError
from spanflow.record import Array, Batch

Test = Callable[[Array], Array]
"""Whether each of the records matches: from dtype RECORD, shape (n,), to bool, shape (n,)."""

_COMPARISONS: Mapping[str, Callable[[Array, int], Array]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
_ENDS: Mapping[Side, tuple[str, ...]] = {
    Side.EITHER: ("source", "destination"),
    Side.SOURCE: ("source",),
    Side.DESTINATION: ("destination",),
}
_AMOUNTS = {"packets": "packet_delta_count", "octets": "octet_delta_count"}
_HALVES = ("forward", "reverse")
_NUMBERS = 1 << 16
"""Applications and categories have 16 bits in a record."""


class RecordFilter:
    """One filter.

    applications: what the engine at hand knows; None, or one without applications, if nothing is classified:
    then every Flow is of the application Unknown. Raises InvalidValueError for a text that is no filter, and
    ConfigError for a name that the engine does not have.
    """

    def __init__(self, expression: str, applications: Applications | None = None) -> None:
        self._test = _test_of(parse_filter(expression), applications)

    def mask(self, batch: Batch) -> Array:
        """Whether each record matches: bool, shape (n,)."""
        return self._test(batch.records)


def filter_of(collector: Collector, applications: Applications | None) -> RecordFilter | None:
    """That of a collector, if it has one. Raises ConfigError for a name that the engine does not have."""
    if collector.filter is None:
        return None
    try:
        return RecordFilter(collector.filter, applications)
    except ConfigError as error:
        raise ConfigError(f"collector {collector.name}: {error}") from error


def _test_of(expression: Expression, applications: Applications | None) -> Test:
    match expression:
        case Not(operand):
            return partial(_none, _test_of(operand, applications))
        case And(operands):
            return partial(_joined, np.logical_and, [_test_of(each, applications) for each in operands])
        case Or(operands):
            return partial(_joined, np.logical_or, [_test_of(each, applications) for each in operands])
        case Network(side, network):
            version = 4 if isinstance(network, IPv4Network) else 6
            value = _two_words(network.network_address.packed)
            mask = _two_words(network.netmask.packed)
            ends = [partial(_in_network, f"{end}_address", mask, value) for end in _ENDS[side]]
            tests = [partial(_equal, "ip_version", version), partial(_joined, np.logical_or, ends)]
            return partial(_joined, np.logical_and, tests)
        case Ports(side, first, last):
            ports = [partial(_between, f"{end}_transport_port", first, last) for end in _ENDS[side]]
            return partial(_joined, np.logical_or, ports)
        case Protocol(number):
            return partial(_equal, "protocol_identifier", number)
        case IpVersion(version):
            return partial(_equal, "ip_version", version)
        case ApplicationNamed(name):
            return _application_test(name, applications)
        case CategoryNamed(name):
            names = {} if applications is None else applications.categories
            return partial(_among, "application_category", _table("category", name, names))
        case Amount(what, sign, number):
            return partial(_amount, _AMOUNTS[what], _COMPARISONS[sign], number)
        case Lasting(sign, nanoseconds):
            return partial(_lasting, _COMPARISONS[sign], nanoseconds)
        case AtRisk():
            return _at_risk
        case Interface(number):
            return partial(_joined, np.logical_or, [partial(_came_in, half, number) for half in _HALVES])


def _joined(join: np.ufunc, tests: Iterable[Test], records: Array) -> Array:
    joined: Array = reduce(join, [test(records) for test in tests])
    return joined


def _none(test: Test, records: Array) -> Array:
    return ~test(records)


def _equal(member: str, number: int, records: Array) -> Array:
    equal: Array = records[member] == number
    return equal


def _between(member: str, first: int, last: int, records: Array) -> Array:
    numbers = records[member]
    if first == last:
        equal: Array = numbers == first
        return equal
    between: Array = (numbers >= first) & (numbers <= last)
    return between


def _two_words(octets: bytes) -> tuple[int, ...]:
    """An address as 16 octets, in two words in the order of memory; IPv4 is the last 4, after zeros."""
    return tuple(np.frombuffer(octets.rjust(16, b"\0"), np.uint64).tolist())


def _in_network(member: str, mask: tuple[int, ...], value: tuple[int, ...], records: Array) -> Array:
    words = records[member].view(np.uint64)
    found = np.ones(len(records), np.bool_)
    for place, bits in enumerate(mask):
        if bits:
            found &= (words[:, place] & np.uint64(bits)) == np.uint64(value[place])
    return found


def _amount(member: str, compare: Callable[[Array, int], Array], number: int, records: Array) -> Array:
    return compare(records["forward"][member] + records["reverse"][member], number)


def _lasting(compare: Callable[[Array, int], Array], nanoseconds: int, records: Array) -> Array:
    forward, reverse = records["forward"], records["reverse"]
    # A half without packets has no times.
    alone, none = reverse["packet_delta_count"] == 0, forward["packet_delta_count"] == 0
    first = np.where(alone, forward["first_ns"], np.minimum(forward["first_ns"], reverse["first_ns"]))
    last = np.where(alone, forward["last_ns"], np.maximum(forward["last_ns"], reverse["last_ns"]))
    first, last = np.where(none, reverse["first_ns"], first), np.where(none, reverse["last_ns"], last)
    return compare(last - first, nanoseconds)


def _at_risk(records: Array) -> Array:
    found: Array = records["flow_risk"] != 0
    return found


def _came_in(half: str, number: int, records: Array) -> Array:
    own = records[half]
    found: Array = (own["ingress_interface"] == number) & (own["packet_delta_count"] != 0)
    return found


def _application_test(name: str, applications: Applications | None) -> Test:
    if name.lower() == UNKNOWN.lower():
        nothing = [partial(_equal, member, 0) for member in ("application", "master_protocol")]
        return partial(_joined, np.logical_and, nothing)
    by_number = {} if applications is None else applications.by_number
    names = {number: each.name for number, each in by_number.items() if number}
    table = _table("application", name, names)
    # 0 is in no table: a Flow without a carrier does not match by it.
    either = [partial(_among, member, table) for member in ("application", "master_protocol")]
    return partial(_joined, np.logical_or, either)


def _among(member: str, table: Array, records: Array) -> Array:
    found: Array = table[records[member]]
    return found


def _table(what: str, name: str, names: Mapping[int, str]) -> Array:
    """Which numbers have a name: bool, shape (65536,); none if nothing has one, as without an engine."""
    numbers = [number for number, known in names.items() if known.lower() == name.lower()]
    if names and not numbers:
        raise ConfigError(f"filter: {_unknown(what, name, names.values())}")
    table = np.zeros(_NUMBERS, np.bool_)
    table[numbers] = True
    return table


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    advice = f"did you mean {shown(near)}?" if near else "see `spanflow protocols`"
    return f"unknown {what} {quoted(name)}; {advice}"
