# SPDX-License-Identifier: Apache-2.0
"""From keyword arguments to the settings of the daemon: the same names, ranges and errors."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from spanflow.config.load import Keyword, load
from spanflow.config.quantities import SECOND, Duration, Size
from spanflow.config.schema import Interface, Settings, sections, setting_keys
from spanflow.config.values import Kind, OrNone
from spanflow.errors import UsageError

NAMED = {
    "capacity": "cache.max_flows",
    "active_timeout": "cache.active_timeout",
    "inactive_timeout": "cache.inactive_timeout",
    "enable_ndpi": "dpi.enabled",
    "bpf_filter": "capture.filter",
    "snaplen": "capture.snap_length",
    "promiscuous": "capture.promiscuous",
    "workers": "capture.workers",
}
"""Arguments with a name of their own, and the settings that they are."""

METERING_SECTIONS = ("capture", "cache", "dpi")


def stream_settings(
    config: str | os.PathLike[str] | None,
    interfaces: Sequence[str],
    named: Mapping[str, Any],
    others: Mapping[str, Any],
) -> Settings:
    """The settings of a configuration file (None: the defaults), changed by keyword arguments.

    interfaces: in place of those of the file. named: by the keys of NAMED; None leaves a setting as it is.
    others: any setting of `capture`, `cache` and `dpi` as SECTION_KEY, `cache_tcp_linger`. A duration may be
    a number of seconds, a size one of octets. Raises ConfigError with every finding, UsageError for a name
    that is no setting.
    """
    keys = {
        f"{name}_{key}": f"{name}.{key}" for name in METERING_SECTIONS for key in sections()[name].settings
    }
    for name in others:
        if name not in keys:
            near = difflib.get_close_matches(name, [*keys, *NAMED], n=1)
            advice = (
                f"did you mean {near[0]}?" if near else "settings are SECTION_KEY, as in cache_tcp_linger"
            )
            raise UsageError(f"{name}: no such argument; {advice}")
    given = {name: (NAMED[name], value) for name, value in named.items()}
    given |= {name: (keys[name], value) for name, value in others.items()}
    settings = load(
        None if config is None else os.fspath(config),
        keywords=[
            Keyword(name, key, text)
            for name, (key, value) in given.items()
            if value is not None
            for text in [_text(setting_keys()[key].kind, value)]
        ],
    )
    known = {each.name: each for each in settings.interfaces}
    return replace(settings, interfaces=tuple(known.get(name, Interface(name=name)) for name in interfaces))


def _text(kind: Kind[Any], value: Any) -> str:
    """A Python value as the text of a setting."""
    kind = kind.kind if isinstance(kind, OrNone) else kind
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and isinstance(kind, Duration):
        return _duration_text(kind, value)
    if isinstance(value, int) and isinstance(kind, Size):
        return f"{value}B"
    if isinstance(value, list | tuple | set | frozenset | dict):
        # JSON is YAML in flow style.
        return json.dumps(list(value) if isinstance(value, tuple | set | frozenset) else value)
    return str(value)


def _duration_text(kind: Duration, seconds: float) -> str:
    try:
        nanoseconds = round(Fraction(seconds) * SECOND)
    except (OverflowError, ValueError):  # inf and nan
        return str(seconds)
    if nanoseconds > 0:
        return kind.render(nanoseconds)
    return f"{seconds}s" if nanoseconds else "0"
