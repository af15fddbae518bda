# SPDX-License-Identifier: Apache-2.0
"""From YAML nodes to values: every node meets the setting that its place in the tree names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import yaml

from spanflow.config.bind_collectors import CollectorBinder
from spanflow.config.bind_interfaces import InterfaceBinder
from spanflow.config.bind_plugins import PluginBinder
from spanflow.config.declare import Setting
from spanflow.config.document import Document
from spanflow.config.findings import Findings
from spanflow.config.given import Given
from spanflow.config.nodes import INVALID, Nodes, item_path
from spanflow.config.schema import Section, list_descriptions, sections
from spanflow.config.unknown_keys import unknown_at_root, unknown_in_file
from spanflow.config.wording import shown

_BINDERS: Mapping[str, Callable[[Nodes, Given], InterfaceBinder | CollectorBinder | PluginBinder]] = {
    "interfaces": InterfaceBinder,
    "collectors": CollectorBinder,
    "plugins": PluginBinder,
}


@dataclass(frozen=True, slots=True)
class Binder:
    """Binds the nodes of one document; what is wrong goes to `findings`, what is right to `given`."""

    document: Document
    findings: Findings
    given: Given

    def root(self, node: yaml.Node | None) -> None:
        """Bind a whole file."""
        known = sections()
        for name, key, value in self._nodes().entries(node, "", "capture"):
            if name in known:
                self._section(known[name], value)
            elif name in list_descriptions():
                self.items(name, value)
            else:
                self._nodes().wrong(key, shown(name), unknown_at_root(name))

    def setting(self, key: str, declared: Setting, node: yaml.Node) -> None:
        """Bind one value by the kind of its setting."""
        value = self._nodes().value(key, declared, node)
        if value is not INVALID:
            self.given.put(key, value, self.document.place(node))

    def items(self, key: str, node: yaml.Node) -> None:
        """Bind one of the lists."""
        _BINDERS[key](self._nodes(), self.given).bind(node)

    def _section(self, part: Section, node: yaml.Node) -> None:
        known = part.settings
        example = next(iter(known))
        for name, key, value in self._nodes().entries(node, part.key, example):
            full = item_path(part.key, name)
            if name in known:
                self.setting(full, known[name], value)
            else:
                self._nodes().wrong(key, full, unknown_in_file(name, list(known), at_root=False))

    def _nodes(self) -> Nodes:
        return Nodes(self.document, self.findings)
