# SPDX-License-Identifier: Apache-2.0
"""Every setting, declared once: name, type, default, unit, range, description, example.

The loader, the shipped `spanflow.yaml`, the reference and the JSON schema are computed from these classes.
Durations are int nanoseconds, sizes int octets. The objects are immutable: a reload makes new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, cast

from spanflow.config.collector_settings import Collector
from spanflow.config.declare import Setting, settings_of
from spanflow.config.exporting_settings import Export
from spanflow.config.metering_settings import Cache, Capture, Dpi, Interface
from spanflow.config.operation_settings import Log, Metrics, Process
from spanflow.config.plugin_settings import Plugin

__all__ = [
    "MOST_COLLECTORS",
    "MOST_INTERFACES",
    "MOST_PLUGINS",
    "Cache",
    "Capture",
    "Collector",
    "Dpi",
    "Export",
    "Interface",
    "Log",
    "Metrics",
    "Plugin",
    "Process",
    "Section",
    "Settings",
    "list_descriptions",
    "root_keys",
    "sections",
    "setting_keys",
]

MOST_COLLECTORS = 64
"""Each has a thread and a queue of its own."""

MOST_INTERFACES = 64
"""Each has a worker, a ring and a cache of its own, at the least."""

MOST_PLUGINS = 32
"""Each has metrics of its own, and all share one thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one probe."""

    interfaces: tuple[Interface, ...] = field(
        default=(),
        metadata={
            "description": "Where `spanflow run` captures packets: a list of interface names, or of mappings"
            f" with `name` and options of that interface alone; {MOST_INTERFACES} at most."
        },
    )
    capture: Capture = field(
        default_factory=Capture,
        metadata={"description": "How packets are taken in, from files and from interfaces."},
    )
    cache: Cache = field(
        default_factory=Cache, metadata={"description": "How packets become Flows, and when a Flow leaves."}
    )
    dpi: Dpi = field(
        default_factory=Dpi,
        metadata={
            "description": "Which application each Flow belongs to: by its payload (deep packet inspection),"
            " or by rules of your own. A change here needs a restart."
        },
    )
    plugins: tuple[Plugin, ...] = field(
        default=(),
        metadata={
            "description": "Code of your own that adds columns to the records (docs/plugins.md): a list of"
            f" names, or of mappings with `plugin` and its options; {MOST_PLUGINS} at most. Each sees the"
            " columns of those before it. A change here needs a restart."
        },
    )
    export: Export = field(
        default_factory=Export,
        metadata={"description": "What holds for every collector that does not say otherwise."},
    )
    collectors: tuple[Collector, ...] = field(
        default=(),
        metadata={
            "description": "Who receives the records, each with a session, a queue and counters of its own:"
            f" a list of URLs, or of mappings with `url` and the same options; {MOST_COLLECTORS} at most."
        },
    )
    metrics: Metrics = field(
        default_factory=Metrics,
        metadata={
            "description": "Where a running daemon answers over HTTP: /metrics for Prometheus, /healthz and"
            " /readyz."
        },
    )
    log: Log = field(
        default_factory=Log, metadata={"description": "What a running daemon writes about itself."}
    )
    process: Process = field(default_factory=Process, metadata={"description": "As whom a daemon runs."})


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the file: its key, the class that holds it, what it is about."""

    key: str
    cls: type[Any]
    description: str

    @property
    def settings(self) -> Mapping[str, Setting]:
        return settings_of(self.cls)


def sections() -> Mapping[str, Section]:
    """The sections by key, in the order of their declaration."""
    return {
        member.name: Section(
            member.name, cast(type[Any], member.default_factory), member.metadata["description"]
        )
        for member in fields(Settings)
        if not _is_list(member)
    }


def list_descriptions() -> Mapping[str, str]:
    """The keys that are lists, such as `interfaces`, and what each is about."""
    return {member.name: member.metadata["description"] for member in fields(Settings) if _is_list(member)}


def root_keys() -> list[str]:
    """Every key at the top of a file, in the order of their declaration."""
    return [member.name for member in fields(Settings)]


def setting_keys() -> Mapping[str, Setting]:
    """Every setting by its full key: `cache.active_timeout`. Without those of the lists' items."""
    return {
        f"{part.key}.{key}": found for part in sections().values() for key, found in part.settings.items()
    }


def _is_list(member: Field[Any]) -> bool:
    return member.default_factory is MISSING
