# SPDX-License-Identifier: Apache-2.0
"""The list `plugins` of a document: names, or mappings with `plugin`, `options` and `columns`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from spanflow.config.declare import settings_of
from spanflow.config.given import Given
from spanflow.config.lists import MappingOf
from spanflow.config.nodes import INVALID, Nodes, is_null
from spanflow.config.plugin_settings import MOST_COLUMNS, Plugin
from spanflow.config.wording import shown

_ITEM = MappingOf(Plugin, "plugin")


@dataclass(frozen=True, slots=True)
class PluginBinder:
    """Binds the plugins of one document."""

    nodes: Nodes
    given: Given

    def bind(self, node: yaml.Node) -> None:
        """Bind the list; it replaces one that was given before."""
        items = self.nodes.items(node, "plugins", "plugin", "MODULE:ATTRIBUTE")
        if items is None:
            return
        self.given.plugins.clear()
        for index, item in enumerate(items):
            self._plugin(f"plugins[{index}]", item)
        self._check_columns(items)

    def _plugin(self, path: str, node: yaml.Node) -> None:
        if isinstance(node, yaml.ScalarNode) and not is_null(node):
            name = self.nodes.value(path, settings_of(Plugin)["plugin"], node)
            plugin = INVALID if name is INVALID else Plugin(plugin=name)
        else:
            plugin = self.nodes.of_kind(path, _ITEM, node)
        if plugin is not INVALID:
            self.given.plugins.append((self.nodes.place(node), plugin))

    def _check_columns(self, items: list[yaml.Node]) -> None:
        """No two elements have a number or a name in common, and there are not too many."""
        seen: dict[tuple[str, str], str] = {}
        columns = 0
        for path, item in _columns(items):
            columns += 1
            if columns == MOST_COLUMNS + 1:
                self.nodes.wrong(item, path, f"more than {MOST_COLUMNS} columns in all; remove some")
            for key, value in _scalars(item):
                if key not in ("column", "id"):
                    continue
                first = seen.setdefault((key, value.value), path)
                if first != path:
                    advice = "columns and ids stand for one thing each; use another"
                    problem = f"{shown(value.value)} is also that of {first}; {advice}"
                    self.nodes.wrong(value, f"{path}.{key}", problem)


def _columns(items: list[yaml.Node]) -> Iterator[tuple[str, yaml.Node]]:
    """Path and node of every column."""
    for index, item in enumerate(items):
        for key, value in _pairs(item):
            if key == "columns" and isinstance(value, yaml.SequenceNode):
                yield from (
                    (f"plugins[{index}].columns[{number}]", column)
                    for number, column in enumerate(value.value)
                )


def _scalars(node: yaml.Node) -> Iterator[tuple[str, yaml.ScalarNode]]:
    for key, value in _pairs(node):
        if isinstance(value, yaml.ScalarNode):
            yield key, value


def _pairs(node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((key.value, value) for key, value in node.value if isinstance(key, yaml.ScalarNode))
