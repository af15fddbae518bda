# SPDX-License-Identifier: Apache-2.0
"""Settings from the command line: `--set KEY=VALUE`, `--collector URL`, `-i NAME`."""

from __future__ import annotations

import yaml

from spanflow.config.bind import Binder
from spanflow.config.collector_url import CollectorError, parse_collector
from spanflow.config.declare import settings_of
from spanflow.config.document import Document, compose
from spanflow.config.findings import Findings, Place, argument
from spanflow.config.given import Given
from spanflow.config.lists import ListOf
from spanflow.config.schema import Interface, Plugin, list_descriptions, setting_keys
from spanflow.config.unknown_keys import unknown_full_key
from spanflow.config.values import InvalidValueError, SetOf


def bind_override(text: str, position: int, findings: Findings, given: Given) -> None:
    """Bind one KEY=VALUE. VALUE is the text itself, no quotes needed; a list is `a,b` or YAML, `[a, b]`."""
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    place = argument("--set", text, position, key)
    if not equals:
        findings.add(place, "", "has no value; write --set KEY=VALUE, as in --set cache.active_timeout=120s")
    elif key not in list_descriptions() and key not in setting_keys():
        findings.add(place, key, unknown_full_key(key))
    else:
        bind_text(key, value, place, findings, given)


def bind_text(key: str, value: str, place: Place, findings: Findings, given: Given) -> None:
    """Bind the text of a known key that was written outside a file, at `place`."""
    known = setting_keys()
    document = Document("", value, fixed=place)
    is_list = key not in known or isinstance(known[key].kind, SetOf | ListOf)
    node = compose(document, findings) if is_list and value.startswith("[") else _text_node(value)
    if node is None:
        return
    binder = Binder(document, findings, given)
    if key in known:
        binder.setting(key, known[key], node)
    elif isinstance(node, yaml.ScalarNode):
        binder.items(key, yaml.SequenceNode("", [node] if value else []))
    else:
        binder.items(key, node)


def bind_collector(url: str, place: Place, findings: Findings, given: Given) -> None:
    """Add a collector that is named outside a file, at `place`."""
    try:
        given.collectors.append((place, parse_collector(url)))
    except CollectorError as error:
        for problem in error.problems:
            findings.add(place, "" if problem.option == "url" else problem.option, problem.text)


def bind_interface(name: str, place: Place, findings: Findings, given: Given) -> None:
    """Add an interface that is named outside a file, at `place`."""
    try:
        settings_of(Interface)["name"].kind.parse(name)
    except InvalidValueError as error:
        findings.add(place, "", str(error))
    else:
        given.interfaces.append((place, Interface(name=name)))


def bind_plugin(name: str, place: Place, findings: Findings, given: Given) -> None:
    """Add a plugin that is named outside a file, at `place`."""
    try:
        settings_of(Plugin)["plugin"].kind.parse(name)
    except InvalidValueError as error:
        findings.add(place, "", str(error))
    else:
        given.plugins.append((place, Plugin(plugin=name)))


def _text_node(text: str) -> yaml.ScalarNode:
    # As if it were quoted, so that an empty text is a text.
    return yaml.ScalarNode("", text, style='"')
