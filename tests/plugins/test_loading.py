# SPDX-License-Identifier: Apache-2.0
"""From names to plugins, and every way in which that fails, each as one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanflow.config.plugin_settings import ExportedColumn, Plugin
from spanflow.errors import ConfigError, ExitCode, PluginError
from spanflow.exporting.plugin_columns import PluginColumn
from spanflow.plugins.configured import open_plugins
from spanflow.plugins.loading import load_plugin

CODE = """\
from dataclasses import dataclass

from spanflow.plugins.declaration import flow_plugin

calls = []


@flow_plugin(columns={"label": "string"})
def label(flows):
    return {"label": ["x"] * len(flows)}


@flow_plugin(columns={"size": "unsigned8", "is_long": "boolean"})
@dataclass
class Sizes:
    limit: int = 5

    def __post_init__(self):
        if self.limit < 0:
            raise ValueError("limit is\\nnegative")

    def __call__(self, flows):
        return {"size": [self.limit] * len(flows), "is_long": [True] * len(flows)}


sizes = Sizes(7)
number = 3
broken = flow_plugin
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my labels.py"
    path.write_text(CODE)
    return path


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "label_package").mkdir()
    (tmp_path / "label_package" / "labels.py").write_text(CODE)
    (tmp_path / "label_package" / "needs.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "label_package.labels"


def test_functions_classes_and_objects_of_a_module(module: str) -> None:
    assert load_plugin(f"{module}:label").columns == {"label": "string"}
    assert load_plugin(f"{module}:Sizes").limit == 5  # type: ignore[attr-defined]
    assert load_plugin(f"{module}:Sizes", {"limit": 9}).limit == 9  # type: ignore[attr-defined]
    assert load_plugin(f"{module}:sizes").limit == 7  # type: ignore[attr-defined]


def test_a_file_is_loaded_once_until_it_changes(file: Path) -> None:
    first, second = load_plugin(f"{file}:label"), load_plugin(f"{file}:Sizes")
    assert first.__module__ == second.__module__
    assert load_plugin(f"{file}:label") is first
    file.write_text(CODE.replace('"x"', '"another"'))
    assert load_plugin(f"{file}:label") is not first


def test_a_relative_path_begins_at_the_working_directory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert load_plugin(f"{file.name}:label").columns == {"label": "string"}


REFUSED = [
    ("label", {}, "is no name of a plugin; write module:attribute or /path/file.py:attribute"),
    (":label", {}, "is no name of a plugin;"),
    ("{module}:", {}, "is no name of a plugin;"),
    ("no_such_package.labels:label", {}, "there is no module no_such_package; install it where spanflow is"),
    ("label_package.none:label", {}, "there is no module label_package.none; install it"),
    (
        "label_package.needs:label",
        {},
        "cannot be imported: ModuleNotFoundError: No module named 'no_such_mod",
    ),
    ("label-package:label", {}, "'label-package' is no name of a module; check it"),
    ("{module}:lable", {}, "there is no lable in label_package.labels; did you mean label?"),
    ("{module}:zzz", {}, "there is no zzz in label_package.labels; check the name after the colon"),
    ("{module}:number", {}, "does not say which columns it adds; decorate it with @flow_plugin"),
    ("{module}:broken", {}, "does not say which columns it adds; decorate it with @flow_plugin"),
    ("{module}:label", {"a": 1}, "only a class takes options; remove them"),
    ("{module}:Sizes", {"size": 1}, "cannot be made: TypeError: Sizes.__init__() got an unexpected keyword"),
    ("{module}:Sizes", {"limit": -1}, "cannot be made: ValueError: limit is\\nnegative; check its options"),
    ("/no/such.py:label", {}, "cannot be read: no such file or directory; check the path, and that process."),
    ("{folder}:label", {}, "cannot be read: is a directory; check the path"),
    ("{folder}/text.txt:label", {}, "is no Python file; its name must end in .py"),
    ("{folder}/syntax.py:label", {}, "cannot be imported: SyntaxError: "),
    ("{folder}/exits.py:label", {}, "cannot be imported: SystemExit: 3; repair its code"),
]


@pytest.mark.parametrize(("name", "options", "problem"), REFUSED, ids=[row[2][:40] for row in REFUSED])
def test_what_cannot_be_loaded(
    module: str, tmp_path: Path, name: str, options: dict[str, object], problem: str
) -> None:
    for path, text in (("text.txt", CODE), ("syntax.py", "def"), ("exits.py", "import sys; sys.exit(3)")):
        (tmp_path / path).write_text(text)
    name = name.format(module=module, folder=tmp_path)
    with pytest.raises(PluginError) as caught:
        load_plugin(name, options)
    text = str(caught.value)
    assert text.partition(": ")[2].startswith(problem)
    assert text.startswith("plugin ")
    assert "\n" not in text


def test_settings_become_a_chain_and_elements(module: str) -> None:
    columns = (ExportedColumn(column="is_long", id=1001), ExportedColumn(column="size", id=1000))
    opened = open_plugins(
        [
            Plugin(plugin=f"{module}:Sizes", options=(("limit", 9),), columns=columns),
            Plugin(plugin=f"{module}:label", columns=(ExportedColumn(column="label", id=1002, width=8),)),
        ]
    )
    assert opened.chain.columns == {"size": "unsigned8", "is_long": "boolean", "label": "string"}
    assert [each.name for each in opened.chain.counters()] == [f"{module}:Sizes", f"{module}:label"]
    assert opened.exported == (
        PluginColumn("is_long", 1001, "boolean", 64, f"{module}:Sizes"),
        PluginColumn("size", 1000, "unsigned8", 64, f"{module}:Sizes"),
        PluginColumn("label", 1002, "string", 8, f"{module}:label"),
    )


def test_everything_that_is_wrong_is_told_at_once(module: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_plugins(
            [
                Plugin(plugin=f"{module}:labels"),
                Plugin(plugin=f"{module}:Sizes", columns=(ExportedColumn(column="sizes", id=1000),)),
                Plugin(plugin=f"{module}:label", columns=(ExportedColumn(column="zzz", id=1001),)),
            ]
        )
    assert caught.value.exit_code == ExitCode.CONFIG
    assert str(caught.value).split("\n") == [
        f"plugins[0]: plugin {module}:labels: there is no labels in {module}; did you mean label?",
        f"plugins[1].columns[0].column: plugin {module}:Sizes has no column sizes; did you mean size?",
        f"plugins[2].columns[0].column: plugin {module}:label has no column zzz; it has: label",
    ]


def test_two_plugins_with_the_same_column(module: str) -> None:
    with pytest.raises(
        ConfigError, match=r"plugins: plugin .*:label 2: column label: plugin .*:label has one"
    ):
        open_plugins([Plugin(plugin=f"{module}:label")] * 2)
