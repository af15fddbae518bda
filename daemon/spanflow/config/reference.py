# SPDX-License-Identifier: Apache-2.0
"""The page `reference.md`: every setting for people who look something up."""

from __future__ import annotations

from collections.abc import Iterable

from spanflow.config.collector_settings import SCHEMES
from spanflow.config.declare import Setting, settings_of
from spanflow.config.environment import LISTS, PREFIX
from spanflow.config.lists import ListOf, MappingOf
from spanflow.config.quantities import DURATION_UNITS, SIZE_UNITS
from spanflow.config.schema import Collector, Interface, Plugin, list_descriptions, root_keys, sections
from spanflow.config.shipped_yaml import EXAMPLE_INTERFACE, EXAMPLE_URL

_HEAD = """\
# Settings

A file is YAML, and every key may be left out. `--set KEY=VALUE` on the command line overrides any of them,
with the full key: `--set cache.active_timeout=120s`, or `--set cache.key=vlan,interface` for a list.
`spanflow check FILE` lists everything that is wrong with a file. This page is computed from the declarations
in `daemon/spanflow/config`.

- Durations have a unit: {durations}. `1.5s` and `1m30s` are durations, `15` is an error.
- Sizes have a unit: {sizes}. Octets of a Message, like an MTU, may stand without one.
- Booleans are `true` and `false`; `yes`, `no`, `on` and `off` are errors.
- A key that is unknown or given twice is an error; so are tags, merge keys and a second document.

## Environment variables

For a container that has no file. A variable overrides the file, the command line overrides a variable. A
variable without a text counts as one that is not set. `spanflow run` and `spanflow check` read them.

| variable | example | what it does |
|---|---|---|
| `{interface}` | `eth0 eth1` | captures on these interfaces also, as `-i` does; white space between names |
| `{collector}` | `{url}` | exports to these collectors also, as `--collector` does, likewise |
| `{plugin}` | `flow_labels:label` | adds these plugins also, likewise |
| `{prefix}SECTION_KEY` | `{prefix}CACHE_ACTIVE_TIMEOUT=120s` | sets the key `section.key`, as `--set` does |

A variable that begins with a section, `{prefix}CACHE_` for one, and names no key of it is an error. What
Kubernetes says in variables about a Service named `spanflow` is ignored, and so is every other variable.
"""

_INTERFACES = """\
```yaml
interfaces:
  - eth0
  - name: {interface}
    index: 1001
    filter: not port 22
```

`spanflow run -i NAME` adds one. The options:
"""

_COLLECTORS = """\
```yaml
collectors:
  - "{url}?biflow=true&domain=7"
  - url: "{url}"
    name: second
    mtu: auto
```

A URL is `SCHEME://HOST[:PORT][?OPTION=VALUE&...]` with the scheme {schemes}; of a file it is
`SCHEME:///PATH[?OPTION=VALUE&...]`; docs/collectors.md says what each sends. The port is 4739 by default,
4740 for `ipfix+tls` and `ipfix+dtls`, 2055 for NetFlow; `json+tcp` has no default. An IPv6 address stands in
brackets, other characters than letters and digits may be percent-encoded. An option that has no meaning for
the scheme is an error. The options:
"""


_PLUGINS = """\
```yaml
plugins:
  - flow_labels:label
  - plugin: {plugin}
    options: {{threshold: 100}}
    columns:
      - column: is_scan
        id: 1000
```

The options of a plugin here:
"""


def reference() -> str:
    """The text of the page."""
    interface, collector, plugin = LISTS
    lines = [
        _HEAD.format(
            durations=_names(DURATION_UNITS),
            sizes=_names(SIZE_UNITS),
            interface=interface,
            collector=collector,
            plugin=plugin,
            prefix=PREFIX,
            url=EXAMPLE_URL,
        )
    ]
    for key in root_keys():
        lines += _section(key) if key in sections() else _list(key)
    return "\n".join(lines).rstrip() + "\n"


def _section(key: str) -> list[str]:
    part = sections()[key]
    entries = [_entry(f"{key}.{declared.key}", declared) for declared in part.settings.values()]
    return [f"## {key}", "", part.description, "", *(line for entry in entries for line in entry)]


def _list(key: str) -> list[str]:
    cls, text = {
        "interfaces": (Interface, _INTERFACES.format(interface=EXAMPLE_INTERFACE)),
        "collectors": (Collector, _COLLECTORS.format(url=EXAMPLE_URL, schemes=_names(SCHEMES))),
        "plugins": (Plugin, _PLUGINS.format(plugin=settings_of(Plugin)["plugin"].example)),
    }[key]
    entries = [_entry(declared.key, declared) for declared in settings_of(cls).values()]
    head = [f"## {key}", "", list_descriptions()[key], "", text]
    return [*head, *(line for entry in entries for line in entry)]


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _entry(title: str, declared: Setting, level: str = "###") -> list[str]:
    example = f"- example: `{declared.key}: {declared.example}`"
    lines = [f"{level} `{title}`", "", declared.description, "", f"- {declared.facts}", example, ""]
    if isinstance(declared.kind, ListOf) and isinstance(declared.kind.item, MappingOf):
        for key, option in declared.kind.item.settings.items():
            lines += _entry(f"{title}[].{key}", option, level + "#")
    return lines
