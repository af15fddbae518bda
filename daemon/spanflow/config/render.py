# SPDX-License-Identifier: Apache-2.0
"""Settings as YAML that `load` reads back."""

from __future__ import annotations

import json
from typing import Any

from spanflow.config.declare import settings_of
from spanflow.config.schema import Settings, sections
from spanflow.config.values import OrNone


def to_yaml(settings: Settings) -> str:
    """Every setting with its value, and of each collector the options that it has."""
    lines = []
    for part in sections().values():
        lines.append(f"{part.key}:")
        lines += [f"  {key}: {text}" for key, text in _rendered(getattr(settings, part.key))]
    lines.append("collectors:" if settings.collectors else "collectors: []")
    for collector in settings.collectors:
        lines.append(f"  - url: {json.dumps(collector.url)}")
        lines += [f"    {key}: {text}" for key, text in _rendered(collector)]
    return "\n".join(lines) + "\n"


def _rendered(values: Any) -> list[tuple[str, str]]:
    """Key and YAML text of each setting of a section or a collector, without the options that it lacks."""
    found = []
    for key, declared in settings_of(type(values)).items():
        value = getattr(values, declared.attribute)
        if value is not None or isinstance(declared.kind, OrNone):
            found.append((key, declared.kind.render(value)))
    return found
