# SPDX-License-Identifier: Apache-2.0
"""From YAML nodes to values: every node meets the setting that its place in the tree names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from spanflow.config.collector_url import CollectorError, parse_collector
from spanflow.config.declare import Setting, settings_of
from spanflow.config.document import Document
from spanflow.config.findings import Findings, Place
from spanflow.config.schema import Collector, Section, sections, setting_keys
from spanflow.config.values import InvalidValueError, OrNone, SetOf
from spanflow.config.wording import nearest, quoted, shown


@dataclass(slots=True)
class Given:
    """What the user has set: values by full key, collectors in order, and where each was written."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    collectors: list[tuple[Place, Collector]] = field(default_factory=list)

    def put(self, key: str, value: Any, place: Place) -> None:
        """Set a value; a later one replaces it."""
        self.values[key] = value
        self.places[key] = place


@dataclass(frozen=True, slots=True)
class Binder:
    """Binds the nodes of one document; what is wrong goes to `findings`, what is right to `given`."""

    document: Document
    findings: Findings
    given: Given

    def root(self, node: yaml.Node | None) -> None:
        """Bind a whole file."""
        known = sections()
        for name, key, value in self._entries(node, "", "capture"):
            if name in known:
                self._section(known[name], value)
            elif name == "collectors":
                self.collectors(value)
            else:
                self._wrong(key, shown(name), _unknown_key(name, [*known, "collectors"], False))

    def _section(self, part: Section, node: yaml.Node) -> None:
        known = part.settings
        example = next(iter(known))
        for name, key, value in self._entries(node, part.key, example):
            full = f"{part.key}.{shown(name)}"
            if name in known:
                self.setting(full, known[name], value)
            else:
                self._wrong(key, full, _unknown_key(name, list(known), True))

    def setting(self, key: str, declared: Setting, node: yaml.Node) -> None:
        """Bind one value by the kind of its setting."""
        kind = declared.kind
        try:
            if isinstance(node, yaml.SequenceNode) and isinstance(kind, SetOf):
                value = kind.parse_items(list(self._words(key, node)))
            elif not isinstance(node, yaml.ScalarNode):
                self._wrong(node, key, f"{_shape(node)} is not allowed here; write {_example(declared)}")
                return
            elif _is_null(node) and not isinstance(kind, OrNone):
                self._wrong(node, key, f"has no value; write {_example(declared)}, or remove the line")
                return
            else:
                value = kind.parse(node.value)
        except InvalidValueError as error:
            self._wrong(node, key, str(error))
            return
        self.given.put(key, value, self.document.place(node))

    def collectors(self, node: yaml.Node) -> None:
        """Bind the list of collectors; it replaces one that was given before."""
        if _is_null(node):
            return
        if not isinstance(node, yaml.SequenceNode):
            advice = "write a list: each collector on a line that begins with -, or [URL, URL]"
            self._wrong(node, "collectors", f"{_shape(node)} is not a list; {advice}")
            return
        self.given.collectors.clear()
        for index, item in enumerate(node.value):
            self._collector(f"collectors[{index}]", item)

    def _collector(self, path: str, node: yaml.Node) -> None:
        options, nodes = self._collector_options(path, node)
        if "url" not in options:
            return
        try:
            collector = parse_collector(options.pop("url"), options)
        except CollectorError as error:
            for problem in error.problems:
                # An option inside the URL is reported where the URL stands.
                where = nodes.get(problem.option, nodes["url"])
                key = path if problem.option == "url" and where is node else f"{path}.{problem.option}"
                self._wrong(where, key, problem.text)
            return
        self.given.collectors.append((self.document.place(nodes.get("name", node)), collector))

    def _collector_options(self, path: str, node: yaml.Node) -> tuple[dict[str, str], dict[str, yaml.Node]]:
        """The texts of one collector, its URL under `url`, and the node to point at for each."""
        options: dict[str, str] = {}
        nodes: dict[str, yaml.Node] = {}
        if isinstance(node, yaml.ScalarNode) and not _is_null(node):
            return {"url": node.value}, {"url": node}
        if not isinstance(node, yaml.MappingNode):
            self._wrong(node, path, f"{_shape(node)} is no collector; write a URL, or a mapping with url:")
            return options, nodes
        names = ("url", *settings_of(Collector))
        for name, key, value in self._entries(node, path, "url"):
            if not isinstance(value, yaml.ScalarNode):
                self._wrong(
                    value, f"{path}.{shown(name)}", f"{_shape(value)} is not allowed here; write one value"
                )
            elif _is_null(value):
                self._wrong(value, f"{path}.{shown(name)}", "has no value; write one, or remove the line")
            else:
                options[name] = value.value
            nodes[name] = value if name in names else key
        if "url" not in nodes:
            self._wrong(node, path, "has no url; add url: ipfix+udp://HOST:PORT")
        return options, nodes

    def _entries(
        self, node: yaml.Node | None, path: str, example: str
    ) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Name, key node and value node of each entry of a mapping; nothing at all counts as an empty one."""
        if node is None or _is_null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            advice = f"write keys with their values, as in `{example}: …`"
            if isinstance(node, yaml.ScalarNode) and ":" in node.value:
                advice = "put a space after the colon"
            self._wrong(node, path, f"{_shape(node)} stands where keys belong; {advice}")
            return
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key.value, key, value

    def _words(self, key: str, node: yaml.SequenceNode) -> Iterator[str]:
        for index, item in enumerate(node.value):
            if isinstance(item, yaml.ScalarNode):
                yield item.value
            else:
                self._wrong(item, f"{key}[{index}]", f"{_shape(item)} is not allowed here; write a word")

    def _wrong(self, node: yaml.Node, key: str, problem: str) -> None:
        self.findings.add(self.document.place(node), key, problem)


def _unknown_key(name: str, siblings: list[str], in_section: bool) -> str:
    """The error for a key that does not exist: where it belongs, a sibling that looks alike, or all."""
    if name == "<<":
        return "unknown key; merging (<<) is not supported, write the keys out"
    full_keys = setting_keys()
    if name in full_keys and not in_section:
        part, _, key = name.partition(".")
        return f"unknown key; write {key} on a line of its own, indented below {part}:"
    homes = {full.partition(".")[2]: full for full in full_keys}
    near = nearest(name, siblings)
    if name in homes or not near:
        near = homes.get(nearest(name, homes, 0.8) or "")
    return f"unknown key; did you mean {near}?" if near else f"unknown key; known here: {', '.join(siblings)}"


def _is_null(node: yaml.Node) -> bool:
    """Whether a plain scalar stands for nothing (YAML 1.2 section 10.3.2)."""
    # The pure Python parser has style None for a plain scalar, libyaml's has "" for an empty one.
    plain = isinstance(node, yaml.ScalarNode) and not node.style
    return plain and node.value in ("", "~", "null", "Null", "NULL")


def _shape(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "nothing" if _is_null(node) else quoted(node.value)


def _example(declared: Setting) -> str:
    return f"a {declared.kind.type_text()} such as {declared.example}"
