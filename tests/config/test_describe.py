# SPDX-License-Identifier: Apache-2.0
"""The computed files: up to date, complete, true to the defaults, and accepted by what reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from spanflow.config import describe
from spanflow.config.application_rules import ApplicationRule
from spanflow.config.declare import Setting, settings_of
from spanflow.config.load import load
from spanflow.config.plugin_settings import ExportedColumn
from spanflow.config.schema import Collector, Interface, Plugin, Settings, root_keys, setting_keys

CONFIG = Path(__file__).parents[2] / "config"
SCHEMA: dict[str, Any] = json.loads(describe.json_schema())


def errors(value: object, schema: dict[str, Any], path: str = "") -> list[str]:
    """What a JSON Schema validator says, for the keywords that we use."""
    found = []
    types = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "null": type(None),
        "integer": int,
    }
    for keyword, argument in schema.items():
        match keyword:
            case "type":
                names = [argument] if isinstance(argument, str) else argument
                is_number = isinstance(value, bool) and "boolean" not in names
                if is_number or not isinstance(value, tuple(types[name] for name in names)):
                    found.append(f"{path}: not {argument}")
            case "const" | "enum":
                allowed = [argument] if keyword == "const" else argument
                if not any(value == choice and type(value) is type(choice) for choice in allowed):
                    found.append(f"{path}: not in {allowed}")
            case "anyOf":
                if all(errors(value, choice, path) for choice in argument):
                    found.append(f"{path}: none of anyOf")
            case "pattern":
                if isinstance(value, str) and not re.search(argument, value):
                    found.append(f"{path}: not like {argument}")
            case "minimum" if isinstance(value, int) and value < argument:
                found.append(f"{path}: below {argument}")
            case "maximum" if isinstance(value, int) and value > argument:
                found.append(f"{path}: above {argument}")
            case "maxLength" if isinstance(value, str) and len(value) > argument:
                found.append(f"{path}: longer than {argument}")
            case "uniqueItems" if isinstance(value, list) and len(set(value)) < len(value):
                found.append(f"{path}: an item twice")
            case "items" if isinstance(value, list):
                found += [line for item in value for line in errors(item, argument, f"{path}[]")]
            case "required" if isinstance(value, dict):
                found += [f"{path}: lacks {name}" for name in argument if name not in value]
            case "properties" if isinstance(value, dict):
                found += [f"{path}.{name}: unknown" for name in value if name not in argument]
                for name in value.keys() & argument.keys():
                    found += errors(value[name], argument[name], f"{path}.{name}")
    return found


@pytest.mark.parametrize("name", describe.FILES)
def test_the_file_is_what_the_schema_gives(name: str) -> None:
    text = (CONFIG / name).read_text(encoding="utf-8")
    assert text == describe.FILES[name](), "run python -m spanflow.config.describe --write"


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    text = describe.shipped_yaml()
    assert load(CONFIG / "spanflow.yaml") == Settings()
    tree = yaml.safe_load(text)
    assert list(tree) == root_keys()
    assert [f"{part}.{key}" for part in tree for key in tree[part]] == [*setting_keys()]


def load_example(key: str, path: Path) -> Settings:
    """Load the commented example of the shipped file."""
    text = describe.shipped_yaml()
    example = text[text.index(f"# {key}:") : text.index(f"#\n{key}: []")]
    path.write_text(
        "\n".join(line.removeprefix("# ") for line in example.splitlines()) + "\n", encoding="utf-8"
    )
    return load(path)


def test_the_commented_interfaces_of_the_shipped_file_load(tmp_path: Path) -> None:
    first, second = load_example("interfaces", tmp_path / "probe.yaml").interfaces
    assert first == Interface(name="eth0")
    assert second.name == "eth1"
    assert not second.enabled
    assert all(getattr(second, option.attribute) is not None for option in settings_of(Interface).values())


def test_the_commented_collectors_of_the_shipped_file_load(tmp_path: Path) -> None:
    first, *others = load_example("collectors", tmp_path / "probe.yaml").collectors
    assert first == Collector(host="2001:db8::1", biflow=True, domain=7)
    assert [each.transport for each in others] == ["udp", "tls", "file"]
    for declared in settings_of(Collector).values():
        values = [getattr(each, declared.attribute) for each in others]
        assert any(value is not None for value in values), f"no example of {declared.key}"


def test_the_commented_plugins_of_the_shipped_file_load(tmp_path: Path) -> None:
    first, second = load_example("plugins", tmp_path / "probe.yaml").plugins
    assert first == Plugin(plugin="flow_labels:label")
    assert second == Plugin(
        plugin="/etc/spanflow/flow_labels.py:FlowLabels",
        options=(("threshold", 100),),
        columns=(ExportedColumn(column="is_scan", id=1000),),
    )


def test_the_commented_rule_of_the_shipped_file_loads(tmp_path: Path) -> None:
    text = describe.shipped_yaml()
    example = text[text.index("  # rules:") : text.index("\n  rules: []")]
    path = tmp_path / "probe.yaml"
    path.write_text("dpi:\n" + re.sub("^  # ", "  ", example, flags=re.MULTILINE) + "\n", encoding="utf-8")
    (rule,) = load(path).dpi.rules
    assert rule == ApplicationRule(
        name="intranet",
        cidr=("10.0.0.0/8", "2001:db8::/32"),
        port=((443, 443), (8000, 8010)),
        server_name=("example.com",),
    )


def test_the_json_schema_accepts_the_shipped_file() -> None:
    assert errors(yaml.safe_load(describe.shipped_yaml()), SCHEMA) == []


ACCEPTED = [
    {"cache": None, "collectors": None, "interfaces": None},
    {"interfaces": ["eth0", {"name": "nflog:5", "workers": 2, "enabled": False, "filter": "", "index": 7}]},
    {"capture": {"snap_length": "auto", "block_timeout": "5ms", "when_missing": "wait"}},
    {"metrics": {"listen": "off"}, "log": {"format": "json"}, "process": {"user": "65532"}},
    {"metrics": {"listen": "[::1]:9730"}},
    {"cache": {"tcp_linger": 0, "active_timeout": "1m30s", "memory": None, "key": ["vlan"]}},
    {
        "dpi": {
            "engine": "ndpi-4.2",
            "memory": "1GiB",
            "tcp_packets": 255,
            "protocols_file": "/a b",
            "rules": [],
        }
    },
    {"dpi": {"engine": "/opt/engine.so", "rules": [{"name": "a b", "port": [443, "1-9"], "cidr": ["::/0"]}]}},
    {"dpi": {"rules": [{"name": "x", "port": 443}, {"name": "y", "server_name": "*.example.com, b."}]}},
    {"plugins": ["a.b:c", {"plugin": "/x/y.py:C", "options": {"a": 1, "b": None}}]},
    {"plugins": [{"plugin": "a:b", "columns": [{"column": "x", "id": 16383, "width": 2}]}]},
    {"export": {"max_message_size": "auto", "pace": 0, "observation_domain_id": 7, "queue_size": "1.5GiB"}},
    {"collectors": ["ipfix+udp://h", {"url": "ipfix+udp://i", "mtu": 1400, "biflow": True}]},
]
REFUSED = [
    {"caches": {}},
    {"cache": {"active_timout": "1s"}},
    {"cache": {"active_timeout": 15}},
    {"cache": {"active_timeout": "15"}},
    {"cache": {"max_flows": "many"}},
    {"cache": {"max_flows": 0}},
    {"cache": {"key": ["tunnel"]}},
    {"cache": {"preallocate": "yes"}},
    {"dpi": {"rules": {"name": "x", "port": 443}}},
    {"dpi": {"rules": [{"port": 443}]}},
    {"dpi": {"rules": [{"name": "x", "ports": [443]}]}},
    {"dpi": {"rules": [{"name": "x" * 25, "port": 443}]}},
    {"dpi": {"rules": [{"name": "x ", "port": 443}]}},
    {"export": {"enterprise_number": 29305}},
    {"dpi": {"rules": [{"name": "x", "port": [{}]}]}},
    {"dpi": {"engine": "4.2", "tcp_packets": 256}},
    {"metrics": {"top_applications": 0}},
    {"plugins": ["a.b"]},
    {"plugins": [{"options": {"a": 1}}]},
    {"plugins": [{"plugin": "a:b", "columns": [{"column": "X", "id": 1000}]}]},
    {"plugins": [{"plugin": "a:b", "columns": [{"column": "x", "id": 999}]}]},
    {"plugins": [{"plugin": "a:b", "columns": [{"column": "x"}]}]},
    {"collectors": ["h"]},
    {"interfaces": ["a b"]},
    {"interfaces": [{"workers": 2}]},
    {"interfaces": [{"name": "eth0", "worker": 2}]},
    {"metrics": {"listen": "localhost"}},
    {"metrics": {"listen": 9730}},
    {"log": {"level": "warn"}},
    {"process": {"user": "a b"}},
    {"collectors": [{"biflow": True}]},
    {"collectors": [{"url": "ipfix+udp://h", "foo": 1}]},
]


@pytest.mark.parametrize("tree", ACCEPTED, ids=map(json.dumps, ACCEPTED))
def test_the_json_schema_accepts_what_the_loader_accepts(tree: dict[str, Any], tmp_path: Path) -> None:
    assert errors(tree, SCHEMA) == []
    path = tmp_path / "probe.yaml"
    path.write_text(json.dumps(tree))
    load(path)


@pytest.mark.parametrize("tree", REFUSED, ids=map(json.dumps, REFUSED))
def test_the_json_schema_refuses_what_the_loader_refuses(tree: dict[str, Any]) -> None:
    assert errors(tree, SCHEMA)


def test_the_reference_has_every_key_and_option() -> None:
    titles = re.findall(r"^### `(.*)`$", describe.reference(), re.MULTILINE)
    sections = [*setting_keys()]
    export, metrics = sections.index("export.observation_domain_id"), sections.index("metrics.listen")
    assert titles == [
        *settings_of(Interface),
        *sections[:export],
        *settings_of(Plugin),
        *sections[export:metrics],
        *settings_of(Collector),
        *sections[metrics:],
    ]


def test_the_reference_has_the_variables() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", describe.reference(), re.MULTILINE)
    assert rows == ["SPANFLOW_INTERFACE", "SPANFLOW_COLLECTOR", "SPANFLOW_PLUGIN", "SPANFLOW_SECTION_KEY"]


@pytest.mark.parametrize(
    "declared",
    [
        *setting_keys().values(),
        *settings_of(Collector).values(),
        *settings_of(Interface).values(),
        *settings_of(Plugin).values(),
        *settings_of(ExportedColumn).values(),
    ],
    ids=lambda found: found.key,
)
def test_every_setting_is_described(declared: Setting) -> None:
    assert declared.description.endswith(".")
    assert declared.example
    assert declared.kind.type_text()


def test_write_makes_the_files_and_check_names_the_stale_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["describe", "--check", str(tmp_path)])
    assert describe.main() == 1
    assert f"{tmp_path}/reference.md: stale" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["describe", "--write", str(tmp_path)])
    assert describe.main() == 0
    assert describe.stale(tmp_path) == []
