# SPDX-License-Identifier: Apache-2.0
"""The list `collectors` of a document: URLs, or mappings with `url` and options."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from spanflow.config.collector_url import CollectorError, parse_collector
from spanflow.config.declare import settings_of
from spanflow.config.given import Given
from spanflow.config.lists import ListOf
from spanflow.config.nodes import Nodes, is_null, item_path, shape
from spanflow.config.schema import Collector


@dataclass(frozen=True, slots=True)
class CollectorBinder:
    """Binds the collectors of one document."""

    nodes: Nodes
    given: Given

    def bind(self, node: yaml.Node) -> None:
        """Bind the list; it replaces one that was given before."""
        items = self.nodes.items(node, "collectors", "collector", "URL")
        if items is None:
            return
        self.given.collectors.clear()
        for index, item in enumerate(items):
            self._collector(f"collectors[{index}]", item)

    def _collector(self, path: str, node: yaml.Node) -> None:
        options, found = self._options(path, node)
        if "url" not in options:
            return
        try:
            collector = parse_collector(options.pop("url"), options)
        except CollectorError as error:
            for problem in error.problems:
                # An option inside the URL is reported where the URL stands.
                where = found.get(problem.option, found["url"])
                key = path if problem.option == "url" and where is node else f"{path}.{problem.option}"
                self.nodes.wrong(where, key, problem.text)
            return
        self.given.collectors.append((self.nodes.place(found.get("name", node)), collector))

    def _options(self, path: str, node: yaml.Node) -> tuple[dict[str, str], dict[str, yaml.Node]]:
        """The texts of one collector, its URL under `url`, and the node to point at for each."""
        options: dict[str, str] = {}
        found: dict[str, yaml.Node] = {}
        if isinstance(node, yaml.ScalarNode) and not is_null(node):
            return {"url": node.value}, {"url": node}
        if not isinstance(node, yaml.MappingNode):
            self.nodes.wrong(
                node, path, f"{shape(node)} is no collector; write a URL, or a mapping with url:"
            )
            return options, found
        names = ("url", *settings_of(Collector))
        for name, key, value in self.nodes.entries(node, path, "url"):
            full = item_path(path, name)
            if _is_list(name, value):
                options[name] = ",".join(item.value for item in value.value)
            elif not isinstance(value, yaml.ScalarNode):
                self.nodes.wrong(value, full, f"{shape(value)} is not allowed here; write one value")
            elif is_null(value):
                self.nodes.wrong(value, full, "has no value; write one, or remove the line")
            else:
                options[name] = value.value
            found[name] = value if name in names else key
        if "url" not in found:
            self.nodes.wrong(node, path, "has no url; add url: ipfix+udp://HOST:PORT")
        return options, found


def _is_list(name: str, node: yaml.Node) -> bool:
    """Whether this is a list of texts, for an option that may be one; in a URL commas are between them."""
    declared = settings_of(Collector).get(name)
    return (
        declared is not None
        and isinstance(declared.kind, ListOf)
        and isinstance(node, yaml.SequenceNode)
        and all(isinstance(item, yaml.ScalarNode) for item in node.value)
    )
