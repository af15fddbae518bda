# SPDX-License-Identifier: Apache-2.0
"""The list `plugins`: what may stand in it, and each error where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.broken import findings_of
from spanflow.config.load import load
from spanflow.config.plugin_settings import MOST_COLUMNS, ExportedColumn, Plugin
from spanflow.config.render import to_yaml
from spanflow.config.schema import MOST_PLUGINS
from spanflow.errors import ConfigError

FILE = """\
plugins:
  - labels:label
  - plugin: /srv/labels.py:Labels
    options:
      {limit: 10, share: 0.5, small: -1.5e-3, deep: true, name: "true", none: null, path: /srv/x, code: 007}
    columns:
      - column: is_scan
        id: 1000
      - {column: label, id: 16_383, width: 32}
"""
OPTIONS: dict[str, Any] = {
    "limit": 10,
    "share": 0.5,
    "small": -0.0015,
    "deep": True,
    "name": "true",
    "none": None,
    "path": "/srv/x",
    "code": "007",
}


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    path = tmp_path / "probe.yaml"
    path.write_text(FILE)
    return path


def test_names_and_mappings(probe: Path) -> None:
    first, second = load(probe).plugins
    assert first == Plugin(plugin="labels:label")
    assert second.plugin == "/srv/labels.py:Labels"
    assert second.arguments() == OPTIONS
    assert [type(value) for value in second.arguments().values()] == list(map(type, OPTIONS.values()))
    assert second.columns == (
        ExportedColumn(column="is_scan", id=1000),
        ExportedColumn(column="label", id=16_383, width=32),
    )


def test_what_is_dumped_is_read_back(probe: Path) -> None:
    settings = load(probe)
    probe.write_text(to_yaml(settings))
    assert load(probe) == settings


def test_the_command_line_replaces_them_and_the_environment_adds(probe: Path) -> None:
    environment = {"SPANFLOW_PLUGIN": "a:b  /c d.py:e /c.py:e"}
    with pytest.raises(ConfigError) as caught:
        load(probe, environment=environment)
    assert str(caught.value) == (
        "SPANFLOW_PLUGIN /c: '/c' is no plugin; write module:attribute or /path/file.py:attribute"
    )
    names = [each.plugin for each in load(probe, environment={"SPANFLOW_PLUGIN": "a:b /c.py:e"}).plugins]
    assert names == ["labels:label", "/srv/labels.py:Labels", "a:b", "/c.py:e"]
    overridden = load(probe, ['plugins=[{plugin: "x:Y", options: {a: 1}}, y:z]']).plugins
    assert overridden == (Plugin(plugin="x:Y", options=(("a", 1),)), Plugin(plugin="y:z"))
    assert load(probe, ["plugins=x:y"]).plugins == (Plugin(plugin="x:y"),)
    assert load(probe, ["plugins=[]"]).plugins == ()


BROKEN: list[tuple[str, str, list[str]]] = [
    (
        "names",
        "plugins:\n  - labels\n  - labels:\n  - :label\n  - labels:a b\n  -\n  - [a:b]\n"
        "  - options: {a: 1}\n",
        [
            "2:5: plugins[0]: 'labels' is no plugin; write module:attribute or /path/file.py:attribute",
            "3:5: plugins[1].labels: unknown key; known here: plugin, options, columns",
            "3:5: plugins[1]: has no plugin; add plugin: /etc/spanflow/flow_labels.py:FlowLabels",
            "4:5: plugins[2]: ':label' is no plugin;",
            "5:5: plugins[3]: 'labels:a b' is no plugin;",
            "6:4: plugins[4]: nothing is no plugin; write a mapping with plugin:",
            "7:5: plugins[5]: a list is no plugin; write a mapping with plugin:",
            "8:5: plugins[6]: has no plugin;",
        ],
    ),
    (
        "no_list",
        "plugins: {plugin: a:b}\n",
        ["1:10: plugins: a mapping is not a list; write a list: each plugin on a line that begins with -"],
    ),
    (
        "options",
        "plugins:\n  - plugin: a:b\n    option: {}\n  - plugin: a:b\n    options: [1]\n  - plugin: a:b\n"
        "    options:\n      a-b: 1\n      c: [1]\n      d: " + "x" * 4097 + "\n",
        [
            "3:5: plugins[0].option: unknown key; did you mean options?",
            "5:14: plugins[1].options: a list is not allowed here; write a mapping such as {threshold: 100}",
            "8:7: plugins[2].options.a-b: is no name of an option; use letters, digits and _, as in Python",
            "9:10: plugins[2].options.c: a list is not allowed here; write one value",
            "10:7: plugins[2].options.d: is longer than 4096 characters; put it into a file",
        ],
    ),
    (
        "columns",
        "plugins:\n  - plugin: a:b\n    columns:\n      - {column: Label, id: 1000}\n"
        "      - {column: alpn, id: 1001}\n      - {column: a, id: 14}\n      - {column: b}\n"
        "      - {column: c, id: 1002, width: 1}\n      - label\n",
        [
            "4:18: plugins[0].columns[0].column: 'Label' is no name of a column; use up to 31 of a-z",
            "5:18: plugins[0].columns[1].column: 'alpn' is an Information Element already; use another name",
            "6:25: plugins[0].columns[2].id: '14' is out of range; use 1000 to 16383",
            "7:9: plugins[0].columns[3]: has no id; add id: 1000",
            "8:38: plugins[0].columns[4].width: '1' is out of range; use 2 to 1024",
            "9:9: plugins[0].columns[5]: 'label' is no column; write a mapping with column:",
        ],
    ),
    (
        "twice",
        "plugins:\n  - plugin: a:b\n    columns:\n      - {column: x, id: 1000}\n"
        "  - plugin: a:c\n    columns:\n      - {column: y, id: 1000}\n      - {column: x, id: 1001}\n",
        [
            "7:25: plugins[1].columns[0].id: 1000 is also that of plugins[0].columns[0]; columns and ids",
            "8:18: plugins[1].columns[1].column: x is also that of plugins[0].columns[0]; columns and ids",
        ],
    ),
    (
        "many_plugins",
        f"plugins: [{', '.join(f'a:b{number}' for number in range(MOST_PLUGINS + 2))}]\n",
        [f"1:225: plugins: more than {MOST_PLUGINS} plugins; remove some"],
    ),
    (
        "many_columns",
        "plugins:\n"
        + "".join(
            f"  - plugin: a:b{half}\n    columns:\n"
            + "".join(
                f"      - {{column: c{number}, id: {1000 + number}}}\n"
                for number in range(half * 20, half * 20 + 20)
            )
            for half in (0, 1)
        ),
        [f"38:9: plugins[1].columns[12]: more than {MOST_COLUMNS} columns in all; remove some"],
    ),
]


@pytest.mark.parametrize(("content", "expected"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_every_error_is_located_and_explained(tmp_path: Path, content: str, expected: list[str]) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text(content)
    found = findings_of(path)
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected
