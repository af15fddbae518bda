# SPDX-License-Identifier: Apache-2.0
"""The list `interfaces` of a document: names, or mappings with `name` and options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from spanflow.config.declare import settings_of
from spanflow.config.given import Given
from spanflow.config.nodes import INVALID, Nodes, is_null, item_path, shape
from spanflow.config.schema import Interface
from spanflow.config.unknown_keys import unknown_in_file


@dataclass(frozen=True, slots=True)
class InterfaceBinder:
    """Binds the interfaces of one document."""

    nodes: Nodes
    given: Given

    def bind(self, node: yaml.Node) -> None:
        """Bind the list; it replaces one that was given before."""
        items = self.nodes.items(node, "interfaces", "interface", "NAME")
        if items is None:
            return
        self.given.interfaces.clear()
        for index, item in enumerate(items):
            self._interface(f"interfaces[{index}]", item)

    def _interface(self, path: str, node: yaml.Node) -> None:
        known = settings_of(Interface)
        if isinstance(node, yaml.ScalarNode) and not is_null(node):
            name = self.nodes.value(path, known["name"], node)
            if name is not INVALID:
                self.given.interfaces.append((self.nodes.place(node), Interface(name=name)))
            return
        if not isinstance(node, yaml.MappingNode):
            advice = "write a name, or a mapping with name:"
            self.nodes.wrong(node, path, f"{shape(node)} is no interface; {advice}")
            return
        values: dict[str, Any] = {}
        where: yaml.Node = node
        for key, key_node, value_node in self.nodes.entries(node, path, "name"):
            full = item_path(path, key)
            if key not in known:
                self.nodes.wrong(key_node, full, unknown_in_file(key, list(known), at_root=False))
                continue
            values[known[key].attribute] = self.nodes.value(full, known[key], value_node)
            if key == "name":
                where = value_node
        if "name" not in values:
            self.nodes.wrong(node, path, "has no name; add name: NAME")
        elif INVALID not in values.values():
            self.given.interfaces.append((self.nodes.place(where), Interface(**values)))
