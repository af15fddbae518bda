# SPDX-License-Identifier: Apache-2.0
"""`spanflow.schema.json`: for editors that complete and check YAML as it is typed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from spanflow.config.collector_settings import SCHEMES
from spanflow.config.declare import Setting, object_schema, settings_of
from spanflow.config.schema import Collector, Interface, Plugin, list_descriptions, root_keys, sections
from spanflow.config.values import JsonSchema


def json_schema() -> str:
    """The text of the file (JSON Schema draft 7)."""
    root = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings of Spanflow",
        "type": "object",
        "additionalProperties": False,
        "properties": {key: _part(key) for key in root_keys()},
    }
    return json.dumps(root, indent=2, ensure_ascii=False) + "\n"


def _part(key: str) -> JsonSchema:
    if key in sections():
        return _object(sections()[key].settings, sections()[key].description)
    word, options = {"interfaces": _interface, "collectors": _collector, "plugins": _plugin}[key]()
    items = {"anyOf": [word, options]}
    return {"description": list_descriptions()[key], "type": ["array", "null"], "items": items}


def _interface() -> tuple[JsonSchema, JsonSchema]:
    """An item that is a name, and one that is a mapping."""
    known = settings_of(Interface)
    options = _object(known, "An interface with its options.") | {"required": ["name"]}
    return known["name"].kind.json_schema(), options


def _collector() -> tuple[JsonSchema, JsonSchema]:
    """An item that is a URL, and one that is a mapping."""
    schemes = "|".join(map(re.escape, SCHEMES))
    url = {"type": "string", "pattern": rf"^({schemes})://", "description": "Where it is."}
    options = _object(settings_of(Collector), "A collector with its options.") | {"required": ["url"]}
    options["properties"] = {"url": url, **options["properties"]}
    return url, options


def _plugin() -> tuple[JsonSchema, JsonSchema]:
    """An item that is a name, and one that is a mapping."""
    known = settings_of(Plugin)
    options = _object(known, "A plugin with its options.") | {"required": ["plugin"]}
    return known["plugin"].kind.json_schema(), options


def _object(settings: Mapping[str, Setting], description: str) -> JsonSchema:
    return {"description": description, "type": ["object", "null"], **object_schema(settings)}
