# SPDX-License-Identifier: Apache-2.0
"""`spanflow interfaces`: what there is to capture on, and what it does to packets before that."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from spanflow.errors import ExitCode, SpanflowError

if TYPE_CHECKING:
    from spanflow.interfaces import NetworkInterface

_OFFLOADS = ("gro", "lro", "gso", "tso", "rxvlan")
_HEADER = ("NAME", "INDEX", "STATE", "LINK", "MTU", *map(str.upper, _OFFLOADS))
_NUMBERS = ("INDEX", "MTU")
_UNKNOWN = "-"
_ONLY_LIBPCAP = "libpcap only"
_MERGED = (
    "gro and lro merge arriving packets before they are captured: fewer and larger ones are counted."
    "\nTo switch them off: ethtool -K NAME gro off lro off"
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "interfaces",
        help="list what packets can be captured on",
        description="List the network interfaces, and the devices that only libpcap knows: index, state, link"
        " type, MTU, and the offloads that change what a capture sees.",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array, one object for each")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print them. Raises SpanflowError (exit code 71) if the kernel does not tell."""
    from spanflow.interfaces import list_interfaces

    try:
        interfaces = list_interfaces()
    except OSError as error:
        raise _refused(error) from error
    devices = _libpcap_devices()
    if arguments.json:
        found = [*map(_object, interfaces), *map(_device_object, devices)]
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(_table(interfaces, devices)))
    return int(ExitCode.OK)


def _refused(error: OSError) -> SpanflowError:
    problem = SpanflowError(f"netlink: {error.strerror or error}; allow this process AF_NETLINK sockets")
    problem.exit_code = ExitCode.OS_ERROR
    return problem


def _libpcap_devices() -> list[str]:
    """The interfaces are worth showing even when libpcap fails."""
    from spanflow.config.wording import shown
    from spanflow.interfaces import libpcap_devices

    try:
        return libpcap_devices()
    except OSError as error:
        print(
            f"spanflow: libpcap: {shown(str(error.strerror), 200)}; its devices are missing here",
            file=sys.stderr,
        )
        return []


def _object(interface: NetworkInterface) -> dict[str, Any]:
    return {
        "name": interface.name,
        "index": interface.index,
        "state": interface.state,
        "link_type": interface.link_type,
        "link_name": interface.link_name,
        "mtu": interface.mtu,
        "address": interface.address,
        "offloads": {name: interface.offloads.get(name) for name in _OFFLOADS},
        "libpcap_only": False,
    }


def _device_object(name: str) -> dict[str, Any]:
    """The same members; null is what nobody knows of a device that is no interface."""
    members = dict.fromkeys(("index", "state", "link_type", "link_name", "mtu", "address"))
    return {"name": name, **members, "offloads": dict.fromkeys(_OFFLOADS), "libpcap_only": True}


def _table(interfaces: Sequence[NetworkInterface], devices: Sequence[str]) -> Iterator[str]:
    from spanflow.cli.tables import Style, escape

    rows = [_row(interface) for interface in interfaces]
    rows += [(name, _UNKNOWN, _UNKNOWN, _ONLY_LIBPCAP, *_UNKNOWN * (len(_HEADER) - 4)) for name in devices]
    texts = [_HEADER, *(tuple(map(escape, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = [
        "  ".join(
            f"{text:>{width}}" if title in _NUMBERS else f"{text:<{width}}"
            for title, text, width in zip(_HEADER, row, widths, strict=True)
        ).rstrip()
        for row in texts
    ]
    yield Style.of(sys.stdout).bold(lines[0])
    yield from lines[1:]
    if any(_merges(interface) for interface in interfaces):
        yield f"\n{_MERGED}"


def _row(interface: NetworkInterface) -> tuple[str, ...]:
    words = {True: "on", False: "off", None: _UNKNOWN}
    offloads = (words[interface.offloads.get(name)] for name in _OFFLOADS)
    known = (interface.name, str(interface.index), interface.state, interface.link_name, str(interface.mtu))
    return (*known, *offloads)


def _merges(interface: NetworkInterface) -> bool:
    """Whether packets from outside are merged; what a loopback device shows never was on a wire."""
    merging = interface.offloads.get("gro") or interface.offloads.get("lro")
    return bool(interface.up and merging and interface.link_name != "loopback")
