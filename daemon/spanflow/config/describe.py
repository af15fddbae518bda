# SPDX-License-Identifier: Apache-2.0
"""The files that are computed from the schema: the shipped YAML, the reference, the JSON schema.

`python -m spanflow.config.describe --write` makes them in the folder `config`; `--check` names stale ones.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from spanflow.config.collector_url import SCHEMES
from spanflow.config.declare import Setting, settings_of
from spanflow.config.quantities import DURATION_UNITS, SIZE_UNITS
from spanflow.config.schema import Collector, collectors_description, sections
from spanflow.config.values import JsonSchema

EXAMPLE_URL = "ipfix+udp://[2001:db8::1]:4739"


def shipped_yaml() -> str:
    """`spanflow.yaml`: every key with its default, its description and its range above it."""
    lines = [
        "# yaml-language-server: $schema=spanflow.schema.json",
        "# SPDX-License-Identifier: Apache-2.0",
        "#",
        "# All settings of Spanflow with their defaults. Keep the lines that you change; the rest may go.",
        "# `spanflow check FILE` says what is wrong with a file. This one is computed from config/schema.py.",
    ]
    for part in sections().values():
        lines += ["", *_comment(part.description, ""), f"{part.key}:"]
        for index, declared in enumerate(part.settings.values()):
            lines += [""] if index else []
            lines += _comment(declared.description, "  ")
            lines += _comment(_facts(declared), "  ")
            lines.append(f"  {declared.key}: {declared.kind.render(declared.default)}")
    lines += ["", *_comment(collectors_description(), ""), *_collectors_example(), "collectors: []"]
    return "\n".join(lines) + "\n"


def _collectors_example() -> Iterator[str]:
    """The commented example: without the first `# ` of each line it is YAML."""
    yield "#"
    yield "# collectors:"
    yield f'#   - "{EXAMPLE_URL}?biflow=true&domain=7"'
    yield f'#   - url: "{EXAMPLE_URL}"'
    for declared in settings_of(Collector).values():
        for line in _comment(f"{declared.description} {_sentence(_facts(declared))}", "    "):
            yield f"# {line}"
        yield f"#     {declared.key}: {declared.example}"
    yield "#"


def _facts(declared: Setting) -> str:
    """Type, range and default: `duration: 1ms to 7d, or 0 (off); default 60s`."""
    allowed = declared.kind.range_text()
    kind = declared.kind.type_text()
    default = f"; default {declared.default_text}" if declared.default_text else ""
    return (f"{kind}: {allowed}" if allowed else kind) + default


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def reference() -> str:
    """`reference.md`: the same for people who look something up."""
    lines = [_REFERENCE_HEAD.format(durations=_names(DURATION_UNITS), sizes=_names(SIZE_UNITS))]
    for part in sections().values():
        lines += [f"## {part.key}", "", part.description, ""]
        for declared in part.settings.values():
            lines += _entry(f"{part.key}.{declared.key}", declared)
    lines += ["## collectors", "", collectors_description(), ""]
    lines += [_REFERENCE_COLLECTORS.format(url=EXAMPLE_URL, schemes=_names(SCHEMES))]
    for declared in settings_of(Collector).values():
        lines += _entry(declared.key, declared)
    return "\n".join(lines).rstrip() + "\n"


_REFERENCE_HEAD = """\
# Settings

A file is YAML, and every key may be left out. `--set KEY=VALUE` on the command line overrides any of them,
with the full key: `--set cache.active_timeout=120s`, or `--set cache.key=vlan,interface` for a list.
`spanflow check FILE` lists everything that is wrong with a file. This page is computed from
`daemon/spanflow/config/schema.py`.

- Durations have a unit: {durations}. `1.5s` and `1m30s` are durations, `15` is an error.
- Sizes have a unit: {sizes}. Octets of a Message, like an MTU, may stand without one.
- Booleans are `true` and `false`; `yes`, `no`, `on` and `off` are errors.
- A key that is unknown or given twice is an error; so are tags, merge keys and a second document.
"""

_REFERENCE_COLLECTORS = """\
```yaml
collectors:
  - "{url}?biflow=true&domain=7"
  - url: "{url}"
    name: second
    mtu: auto
```

A URL is `SCHEME://HOST[:PORT][?OPTION=VALUE&...]` with the scheme {schemes}. The port is 4739 by default,
an IPv6 address stands in brackets, other characters than letters and digits may be percent-encoded.
The options:
"""


def _names(names: Mapping[str, object]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _entry(title: str, declared: Setting) -> list[str]:
    example = f"- example: `{declared.key}: {declared.example}`"
    return [f"### `{title}`", "", declared.description, "", f"- {_facts(declared)}", example, ""]


def json_schema() -> str:
    """`spanflow.schema.json`: for editors that complete and check YAML as it is typed."""
    properties: JsonSchema = {
        part.key: _object(part.settings, part.description) for part in sections().values()
    }
    options = _object(settings_of(Collector), "A collector with its options.")
    url = {
        "type": "string",
        "pattern": rf"^({'|'.join(map(re.escape, SCHEMES))})://",
        "description": "Where it is.",
    }
    options["properties"] = {"url": url, **options["properties"]}
    options["required"] = ["url"]
    properties["collectors"] = {
        "description": collectors_description(),
        "type": ["array", "null"],
        "items": {"anyOf": [url, options]},
    }
    root = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings of Spanflow",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    return json.dumps(root, indent=2, ensure_ascii=False) + "\n"


def _object(settings: Mapping[str, Setting], description: str) -> JsonSchema:
    properties = {}
    for key, declared in settings.items():
        properties[key] = {"description": f"{declared.description} {_sentence(_facts(declared))}"}
        properties[key] |= declared.kind.json_schema()
    return {
        "description": description,
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": properties,
    }


FILES: Mapping[str, Callable[[], str]] = {
    "spanflow.yaml": shipped_yaml,
    "reference.md": reference,
    "spanflow.schema.json": json_schema,
}


def stale(folder: Path) -> list[str]:
    """The names of those files in `folder` that are missing or not what the schema gives."""
    return [name for name, make in FILES.items() if _content(folder / name) != make()]


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main() -> int:
    """Write the files, or say which of them are stale (exit code 1)."""
    parser = argparse.ArgumentParser(prog="python -m spanflow.config.describe")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the files")
    action.add_argument("--check", action="store_true", help="only say which files are stale")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("config"), help="default: config")
    arguments = parser.parse_args()
    outdated = stale(arguments.folder)
    for name in outdated:
        if arguments.write:
            (arguments.folder / name).write_text(FILES[name](), encoding="utf-8")
        else:
            print(
                f"{arguments.folder / name}: stale; run with --write",
                file=sys.stderr,
            )
    return 1 if outdated and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
