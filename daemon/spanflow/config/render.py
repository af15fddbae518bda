# SPDX-License-Identifier: Apache-2.0
"""Settings as YAML that `load` reads back."""

from __future__ import annotations

import json
from typing import Any

from spanflow.config.declare import settings_of
from spanflow.config.schema import Collector, Interface, Plugin, Settings, root_keys
from spanflow.config.values import OrNone


def to_yaml(settings: Settings) -> str:
    """Every setting with its value, and of each interface and collector the options that it has."""
    lines = []
    for key in root_keys():
        value = getattr(settings, key)
        if isinstance(value, tuple):
            lines.append(f"{key}:" if value else f"{key}: []")
            lines += [line for item in value for line in _item(item)]
        else:
            lines.append(f"{key}:")
            lines += [f"  {name}: {text}" for name, text in _rendered(value)]
    return "\n".join(lines) + "\n"


def _item(item: Interface | Collector | Plugin) -> list[str]:
    """The lines of one item of a list."""
    url = [("url", json.dumps(item.url))] if isinstance(item, Collector) else []
    first, *rest = [f"{name}: {text}" for name, text in [*url, *_rendered(item)]]
    return [f"  - {first}", *(f"    {line}" for line in rest)]


def _rendered(values: Any) -> list[tuple[str, str]]:
    """Key and YAML text of each setting of a section or an item, without the options that it lacks."""
    found = []
    for key, declared in settings_of(type(values)).items():
        value = getattr(values, declared.attribute)
        if value is not None or isinstance(declared.kind, OrNone):
            found.append((key, declared.kind.render(value)))
    return found
