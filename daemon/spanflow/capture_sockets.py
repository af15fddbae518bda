# SPDX-License-Identifier: Apache-2.0
"""Opening what packets come in through: the one thing that takes a capability, done once, at the start.

An AF_PACKET socket that was opened with CAP_NET_RAW can be bound, filtered and put into a fanout group
without it, also later: an interface that goes and comes is followed with no privilege kept.
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from spanflow import _core
from spanflow.config.schema import Capture, Interface, Settings
from spanflow.errors import CaptureError, ConfigError, ExitCode

SNAP_HEADERS = 256
"""Octets of a frame that hold its headers: enough where nobody looks at the payload."""
SNAP_PAYLOAD = 4096
"""A whole frame of an ordinary Ethernet, and the first messages where the card merges frames."""

NOT_PERMITTED = (
    "not permitted to open a packet socket; grant CAP_NET_RAW: run as spanflow.service, in a container with"
    " cap_add NET_RAW, or as root"
)

# What libpcap captures on that is no network interface.
_LIBPCAP_DEVICE = re.compile(
    r"any|usbmon\d+|bluetooth(\d+|-monitor)|dbus-(system|session)|nflog(:.*)?|nfqueue(:.*)?|.*:.*|.{16,}"
)


@dataclass(frozen=True, slots=True)
class OpenInterface:
    """An interface that packets can be taken from. engine: `ring` or `libpcap`."""

    name: str
    engine: str
    native: _core.LiveInterface


def enabled_interfaces(settings: Settings) -> list[Interface]:
    """Those to capture on. Raises ConfigError when there is none, as in a file that was emptied."""
    enabled = [interface for interface in settings.interfaces if interface.enabled]
    if not enabled:
        raise ConfigError("interfaces: there is none to capture on; name one, as in -i eth0")
    return enabled


def open_interfaces(settings: Settings) -> list[OpenInterface]:
    """Open every enabled interface.

    Raises CaptureError: exit code 77 without CAP_NET_RAW, 66 for an interface that is missing.
    """
    return [_open(interface, settings) for interface in enabled_interfaces(settings)]


def _open(interface: Interface, settings: Settings) -> OpenInterface:
    capture = interface.effective(settings.capture)
    snap = capture.snap_length or (SNAP_PAYLOAD if settings.dpi.enabled else SNAP_HEADERS)
    engine = _engine(interface.name, capture)
    try:
        if engine == "ring":
            native = _open_ring(interface, capture, snap)
        else:
            native = _open_libpcap(interface, capture, snap)
    except OSError as error:
        raise _refused(interface.name, error) from error
    except ValueError as error:
        raise ConfigError(f"interfaces: {interface.name}: {error}; see pcap-filter(7)") from error
    return OpenInterface(interface.name, engine, native)


def _engine(name: str, capture: Capture) -> str:
    """Which engine reads the interface; refuses what is missing, or what the engine cannot read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        device = _core.network_device(asking.fileno(), name)
    if device is not None:
        _, _, link_type = device
        if link_type:
            return "ring" if capture.engine == "auto" else capture.engine
        if capture.engine == "ring":
            raise CaptureError(
                f"capture {name}: its link type is not one that a ring can read; use engine: libpcap",
                ExitCode.CONFIG,
            )
        return "libpcap"
    if _LIBPCAP_DEVICE.fullmatch(name):
        if capture.engine == "ring":
            raise CaptureError(f"capture {name}: only libpcap knows it; use engine: libpcap", ExitCode.CONFIG)
        return "libpcap"
    if capture.when_missing == "refuse":
        have = ", ".join(sorted(existing for _, existing in socket.if_nameindex()))
        raise CaptureError(
            f"capture {name}: no such interface (have: {have}); correct its name, create it, or wait for it"
            " with when_missing: wait",
            ExitCode.NO_INPUT,
        )
    if capture.engine == "libpcap":
        raise CaptureError(
            f"capture {name}: no such interface, and libpcap cannot wait for one; use engine: ring",
            ExitCode.NO_INPUT,
        )
    return "ring"


def _open_ring(interface: Interface, capture: Capture, snap: int) -> _core.LiveInterface:
    workers = capture.workers
    return _core.ring_interface(
        name=interface.name,
        filter=capture.filter,
        sockets=_packet_sockets(workers),
        # A socket that has been in a fanout group can never be bound to another interface.
        spares=_packet_sockets(workers) if workers > 1 else (),
        ring_octets=capture.ring_size,
        block_timeout_ms=max(1, capture.block_timeout // 1_000_000),
        snap_octets=snap,
        exported_index=interface.index or 0,
        promiscuous=capture.promiscuous,
    )


def _packet_sockets(count: int) -> Sequence[int]:
    """Bound to nothing (protocol 0): no packet comes in before the ring is ready."""
    return [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).detach() for _ in range(count)]


def _open_libpcap(interface: Interface, capture: Capture, snap: int) -> _core.LiveInterface:
    if capture.workers > 1:
        raise ConfigError(
            f"interfaces: {interface.name}: libpcap feeds one worker, not {capture.workers}; set workers: 1"
        )
    return _core.pcap_interface(
        name=interface.name,
        filter=capture.filter,
        ring_octets=capture.ring_size,
        block_timeout_ms=max(1, capture.block_timeout // 1_000_000),
        snap_octets=snap,
        exported_index=interface.index or 0,
        promiscuous=capture.promiscuous,
    )


def _refused(name: str, error: OSError) -> CaptureError:
    """The error for what the system does not give us."""
    if error.errno in (errno.EPERM, errno.EACCES):
        return CaptureError(f"capture {name}: {NOT_PERMITTED}", ExitCode.NO_PERMISSION)
    if error.errno == errno.ENODEV:
        return CaptureError(
            f"capture {name}: no such device; `spanflow interfaces` lists them", ExitCode.NO_INPUT
        )
    if error.errno == errno.ENETDOWN:
        return CaptureError(
            f"capture {name}: it is down; bring it up: ip link set {name} up", ExitCode.UNAVAILABLE
        )
    if error.errno == errno.ENOMEM:
        return CaptureError(f"capture {name}: {error.strerror}; set a smaller ring_size", ExitCode.OS_ERROR)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return CaptureError(
            f"capture {name}: {error.strerror}; raise the limit on open files", ExitCode.OS_ERROR
        )
    if error.errno == errno.EPROTONOSUPPORT:
        return CaptureError(f"capture {name}: {error.strerror} cannot be metered", ExitCode.DATA)
    return CaptureError(f"capture {name}: {error.strerror or error}", ExitCode.OS_ERROR)
