# SPDX-License-Identifier: Apache-2.0
"""The shipped `spanflow.yaml`: every key with its default, its description and its range above it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from spanflow.config.collector_options import fits
from spanflow.config.declare import Setting, settings_of
from spanflow.config.lists import ListOf, MappingOf
from spanflow.config.schema import (
    Collector,
    Interface,
    Plugin,
    Section,
    list_descriptions,
    root_keys,
    sections,
)

EXAMPLE_INTERFACE = "eth1"
EXAMPLE_URL = "ipfix+udp://[2001:db8::1]:4739"

_HEAD = """\
# yaml-language-server: $schema=spanflow.schema.json
# SPDX-License-Identifier: Apache-2.0
#
# All settings of Spanflow with their defaults. Keep the lines that you change; the rest may go.
# `spanflow check FILE` says what is wrong with a file. This one is computed from the declarations in
# daemon/spanflow/config.
"""


def shipped_yaml() -> str:
    """The text of the file; `load` gives the defaults for it."""
    lines = [_HEAD.rstrip()]
    for key in root_keys():
        lines.append("")
        lines += _section(sections()[key]) if key in sections() else _list(key)
    return "\n".join(lines) + "\n"


def _section(part: Section) -> Iterator[str]:
    yield from _comment(part.description, "")
    yield f"{part.key}:"
    for index, declared in enumerate(part.settings.values()):
        if index:
            yield ""
        yield from _comment(declared.description, "  ")
        yield from _comment(declared.facts, "  ")
        if isinstance(declared.kind, ListOf) and isinstance(declared.kind.item, MappingOf):
            yield from (f"  # {line}" for line in _example(declared.key, declared.kind.item))
        yield f"  {declared.key}: {declared.kind.render(declared.default)}"


def _example(key: str, item: MappingOf[Any]) -> Iterator[str]:
    """A list with one item that has every option: without the `# ` of each line it is YAML."""
    yield f"{key}:"
    for index, declared in enumerate(item.settings.values()):
        yield from _comment(declared.summary, "    " if index else "  ")
        yield f"  {'  ' if index else '- '}{declared.key}: {declared.example}"


def _list(key: str) -> Iterator[str]:
    """An empty list below a commented example: without the first `# ` of each line it is YAML."""
    yield from _comment(list_descriptions()[key], "")
    yield "#"
    yield f"# {key}:"
    example = {"interfaces": _interfaces, "collectors": _collectors, "plugins": _plugins}[key]
    yield from (f"# {line}" for line in example())
    yield "#"
    yield f"{key}: []"


def _interfaces() -> Iterator[str]:
    options = dict(settings_of(Interface))
    name = options.pop("name")
    yield f"  - {name.example}"
    yield from _comment(name.summary, "  ")
    yield f"  - name: {EXAMPLE_INTERFACE}"
    yield from _options(options)


def _collectors() -> Iterator[str]:
    yield f'  - "{EXAMPLE_URL}?biflow=true&domain=7"'
    left = dict(settings_of(Collector))
    # `elements` does not go with `remove`, nor what `truncate` keeps with another mode, so they stand in
    # different examples.
    later = {key: left.pop(key) for key in ("elements", "anonymize_ipv4", "anonymize_ipv6")}
    later["anonymize"] = replace(left["anonymize"], example="truncate")
    for url in (
        EXAMPLE_URL,
        "ipfix+tls://collector.example",
        "ipfix+file:///var/lib/flows/%25Y%25m%25d-%25H%25M.ipfix",
    ):
        scheme = url.partition(":")[0]
        yield f'  - url: "{url}"'
        yield from _options({key: each for key, each in left.items() if fits(key, scheme)})
        left = {key: each for key, each in left.items() if not fits(key, scheme)}
        left |= later if url == EXAMPLE_URL else {}


def _plugins() -> Iterator[str]:
    options = dict(settings_of(Plugin))
    name = options.pop("plugin")
    yield "  - flow_labels:label"
    yield from _comment(name.summary, "  ")
    yield f"  - plugin: {name.example}"
    yield from _options(options)


def _options(options: Mapping[str, Setting]) -> Iterator[str]:
    for declared in options.values():
        yield from _comment(declared.summary, "    ")
        yield f"    {declared.key}: {declared.example}"


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
