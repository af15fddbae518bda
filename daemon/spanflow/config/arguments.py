# SPDX-License-Identifier: Apache-2.0
"""Settings from the command line: `--set KEY=VALUE` and `--collector URL`."""

from __future__ import annotations

import yaml

from spanflow.config.bind import Binder, Given
from spanflow.config.collector_url import CollectorError, parse_collector
from spanflow.config.document import Document, compose
from spanflow.config.findings import Findings, argument
from spanflow.config.schema import sections, setting_keys
from spanflow.config.values import SetOf
from spanflow.config.wording import nearest


def bind_override(text: str, position: int, findings: Findings, given: Given) -> None:
    """Bind one KEY=VALUE. VALUE is the text itself, no quotes needed; a list is `a,b` or YAML, `[a, b]`."""
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    place = argument("--set", text, position, key)
    known = setting_keys()
    if not equals:
        findings.add(place, "", "has no value; write --set KEY=VALUE, as in --set cache.active_timeout=120s")
        return
    if key != "collectors" and key not in known:
        findings.add(place, key, _unknown(key))
        return
    document = Document("--set", value, fixed=place)
    is_list = key == "collectors" or isinstance(known[key].kind, SetOf)
    node = compose(document, findings) if is_list and value.startswith("[") else _text_node(value)
    if node is None:
        return
    binder = Binder(document, findings, given)
    if key != "collectors":
        binder.setting(key, known[key], node)
    elif isinstance(node, yaml.ScalarNode):
        binder.collectors(yaml.SequenceNode("", [node] if value else []))
    else:
        binder.collectors(node)


def bind_collector(url: str, position: int, findings: Findings, given: Given) -> None:
    """Add the collector of a `--collector` argument."""
    place = argument("--collector", url, position)
    try:
        given.collectors.append((place, parse_collector(url)))
    except CollectorError as error:
        for problem in error.problems:
            findings.add(place, "" if problem.option == "url" else problem.option, problem.text)


def _text_node(text: str) -> yaml.ScalarNode:
    # As if it were quoted, so that an empty text is a text.
    return yaml.ScalarNode("", text, style='"')


def _unknown(key: str) -> str:
    """The error for a key that does not exist: the full key that was probably meant, or what there is."""
    parts = sections()
    part, _, leaf = key.partition(".")
    if part not in parts:
        known = [*setting_keys(), "collectors"]
        near = nearest(key, known)
        return f"unknown key; did you mean {near}?" if near else f"unknown key; known: {', '.join(known)}"
    below = ", ".join(f"{part}.{name}" for name in parts[part].settings)
    if not leaf:
        return f"is a section; set one of its keys: {below}"
    near = nearest(leaf, parts[part].settings)
    return f"unknown key; did you mean {part}.{near}?" if near else f"unknown key; known: {below}"
