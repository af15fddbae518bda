# SPDX-License-Identifier: Apache-2.0
"""From keyword arguments to the settings of the daemon: the same names, ranges and errors."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import Any

from spanflow.config.load import Keyword, load
from spanflow.config.quantities import SECOND, Duration, Size
from spanflow.config.schema import Interface, Settings, sections, setting_keys
from spanflow.config.values import Kind, OrNone
from spanflow.config.wording import quoted
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
    that is no setting, and for a setting that is given twice.
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
    given = {name: (NAMED[name], value) for name, value in named.items() if value is not None}
    given |= {name: (keys[name], value) for name, value in others.items() if value is not None}
    by_key = _once({name: key for name, (key, _) in given.items()})
    settings = load(
        _path(config),
        keywords=[
            Keyword(name, key, _text(setting_keys()[key].kind, value)) for name, (key, value) in given.items()
        ],
    )
    if "cache.max_flows" in by_key:  # it is what counts, also where a file has cache.memory
        settings = replace(settings, cache=replace(settings.cache, memory=None))
    known = {each.name: each for each in settings.interfaces}
    return replace(settings, interfaces=tuple(known.get(name, Interface(name=name)) for name in interfaces))


def _once(keys: Mapping[str, str]) -> dict[str, str]:
    """The arguments by the settings that they are. Raises UsageError where two decide the same."""
    found: dict[str, str] = {}
    for name, key in keys.items():
        if key in found:
            raise UsageError(f"{name}: {found[key]} is the same setting; give one of them")
        found[key] = name
    if "cache.memory" in found and "cache.max_flows" in found:
        raise UsageError(
            f"{found['cache.memory']}: {found['cache.max_flows']} decides the size too; give one of them"
        )
    return found


def _path(config: str | os.PathLike[str] | None) -> str | None:
    if config is not None and not isinstance(config, str | os.PathLike):
        raise UsageError(f"config: {quoted(str(config))} is no path; name a configuration file")
    return None if config is None else os.fspath(config)


def _text(kind: Kind[Any], value: Any) -> str:
    """A Python value as the text of a setting."""
    kind = kind.kind if isinstance(kind, OrNone) else kind
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Real) and isinstance(kind, Duration):  # numpy's numbers too
        return _duration_text(kind, value)
    if isinstance(value, Integral) and isinstance(kind, Size):
        return f"{value}B"
    if isinstance(value, list | tuple | set | frozenset | dict):
        # JSON is YAML in flow style.
        return json.dumps(list(value) if isinstance(value, tuple | set | frozenset) else value)
    return str(value)


def _duration_text(kind: Duration, seconds: Real) -> str:
    try:
        exact = seconds if isinstance(seconds, Rational) else float(seconds)
        nanoseconds = round(Fraction(exact) * SECOND)
    except (OverflowError, ValueError):  # inf and nan
        return str(seconds)
    if nanoseconds > 0:
        return kind.render(nanoseconds)
    return f"{seconds}s" if seconds else "0"  # what is less than a nanosecond is not off
