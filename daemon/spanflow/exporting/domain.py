# SPDX-License-Identifier: Apache-2.0
"""The Observation Domain ID: what a collector tells probes behind one address apart by."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

from spanflow.config.schema import Collector, Export

MACHINE_ID = Path("/etc/machine-id")


def observation_domain_id(export: Export, collector: Collector) -> int:
    """The id for one collector: its own, else the probe's, else one derived from machine and instance."""
    configured = collector.effective(export).observation_domain_id
    return derive(export.instance) if configured is None else configured


def derive(instance: str, machine_id: Path = MACHINE_ID) -> int:
    """An id of 1..2^32-1, the same at every start, another one on every machine and for every instance.

    A hash, as the machine id itself must not leave the machine. RFC 7011 section 3.1: 0 would say that the
    records belong to no single domain.
    """
    digest = hashlib.sha256(f"spanflow\0{_machine(machine_id)}\0{instance}".encode()).digest()
    return int.from_bytes(digest[:4], "big") or 1


def _machine(machine_id: Path) -> str:
    """The machine's id (32 hexadecimal digits); the host name where there is none, as in containers."""
    try:
        text = machine_id.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    return text if len(text) == 32 else socket.gethostname()
