# SPDX-License-Identifier: Apache-2.0
"""Settings from environment variables: which ones count, what they override, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanflow.config.environment import variable_names
from spanflow.config.load import load
from spanflow.config.schema import Settings, setting_keys
from spanflow.errors import ConfigError, ExitCode

SECOND = 10**9


def error_of(environment: dict[str, str], path: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environment=environment)
    assert caught.value.exit_code == ExitCode.CONFIG
    return str(caught.value).split("\n")


@pytest.mark.parametrize(("name", "key"), variable_names().items(), ids=variable_names())
def test_every_setting_has_a_variable(name: str, key: str) -> None:
    declared = setting_keys()[key]
    section, _, attribute = key.partition(".")
    settings = load(None, environment={name: declared.example})
    assert getattr(getattr(settings, section), attribute) != declared.default


def test_file_then_variables_then_command_line(tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text("cache: {active_timeout: 1s, inactive_timeout: 2s, max_flows: 3}\n")
    environment = {"SPANFLOW_CACHE_INACTIVE_TIMEOUT": "20s", "SPANFLOW_CACHE_MAX_FLOWS": "30"}
    cache = load(path, ["cache.max_flows=300"], environment=environment).cache
    assert (cache.active_timeout, cache.inactive_timeout, cache.max_flows) == (SECOND, 20 * SECOND, 300)


def test_interfaces_and_collectors_are_added_in_the_order_of_precedence(tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text("interfaces: [eth0]\ncollectors: [ipfix+udp://a]\n")
    environment = {
        "SPANFLOW_INTERFACE": " eth1\n\teth2 ",
        "SPANFLOW_COLLECTOR": "ipfix+udp://b?biflow=true  ipfix+udp://c",
    }
    settings = load(path, [], ["ipfix+udp://d"], ["eth3"], environment)
    assert [each.name for each in settings.interfaces] == ["eth0", "eth1", "eth2", "eth3"]
    assert [each.host for each in settings.collectors] == ["a", "b", "c", "d"]
    assert [each.biflow for each in settings.collectors] == [None, True, None, None]
    overridden = load(path, ["interfaces=lo"], environment=environment)
    assert [each.name for each in overridden.interfaces] == ["lo"]


@pytest.mark.parametrize("value", ["vlan,interface", " vlan, interface ", "[vlan, interface]"])
def test_a_list_is_written_as_on_the_command_line(value: str) -> None:
    assert load(None, environment={"SPANFLOW_CACHE_KEY": value}).cache.key == ("vlan", "interface")


IGNORED = [
    ("SPANFLOW_SERVICE_HOST", "10.0.0.1"),
    ("SPANFLOW_PORT", "tcp://10.0.0.1:9730"),
    ("SPANFLOW_PORT_9730_TCP_ADDR", "10.0.0.1"),
    ("SPANFLOW_METRICS_SERVICE_HOST", "10.0.0.1"),
    ("SPANFLOW_METRICS_SERVICE_PORT", "9730"),
    ("SPANFLOW_METRICS_SERVICE_PORT_HTTP", "9730"),
    ("SPANFLOW_METRICS_PORT", "tcp://10.0.0.1:9730"),
    ("SPANFLOW_METRICS_PORT_9730_TCP", "tcp://10.0.0.1:9730"),
    ("SPANFLOW_METRICS_PORT_9730_TCP_PROTO", "tcp"),
    ("SPANFLOW_HOME", "/srv"),
    ("SPANFLOW_", "x"),
    ("SPANFLOW_CACHE", "x"),
    ("SPANFLOW_CACHE_", "x"),
    ("spanflow_cache_active_timeout", "x"),
    ("CACHE_ACTIVE_TIMEOUT", "x"),
    ("SPANFLOW_CACHE_ACTIVE_TIMEOUT", ""),
    ("SPANFLOW_CACHE_ACTIVE_TIMOUT", " "),
    ("SPANFLOW_INTERFACE", " \n"),
]


@pytest.mark.parametrize(("name", "value"), IGNORED)
def test_what_is_no_setting_is_ignored(name: str, value: str) -> None:
    assert load(None, environment={name: value}) == Settings()


def test_without_an_environment_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANFLOW_CACHE_MAX_FLOWS", "5")
    assert load(None) == Settings()


WRONG = [
    (
        {"SPANFLOW_CACHE_ACTIVE_TIMEOUT": "5"},
        ["SPANFLOW_CACHE_ACTIVE_TIMEOUT: cache.active_timeout: '5' has no unit; write 5s, or another of"],
    ),
    (
        {"SPANFLOW_CACHE_ACTIV_TIMEOUT": "5s"},
        ["SPANFLOW_CACHE_ACTIV_TIMEOUT: unknown variable; did you mean SPANFLOW_CACHE_ACTIVE_TIMEOUT?"],
    ),
    (
        {"SPANFLOW_METRICS_PORT": "9730"},
        ["SPANFLOW_METRICS_PORT: unknown variable; known: SPANFLOW_METRICS_LISTEN"],
    ),
    (
        {"SPANFLOW_CAPTURE_MAX_FLOWS": "5", "SPANFLOW_CACHE_QUEUE_SIZE": "1MiB"},
        [
            "SPANFLOW_CACHE_QUEUE_SIZE: unknown variable; did you mean SPANFLOW_CAPTURE_QUEUE_SIZE or SPAN",
            "SPANFLOW_CAPTURE_MAX_FLOWS: unknown variable; did you mean SPANFLOW_CACHE_MAX_FLOWS or"
            " SPANFLOW_DPI_MAX_FLOWS?",
        ],
    ),
    (
        {"SPANFLOW_LOG_X\x1b": "1"},
        ["SPANFLOW_LOG_X\\x1b: unknown variable; known: SPANFLOW_LOG_FORMAT, SPAN"],
    ),
    (
        {"SPANFLOW_INTERFACES": "eth0", "SPANFLOW_COLLECTORS": "ipfix+udp://h"},
        [
            "SPANFLOW_COLLECTORS: unknown variable; did you mean SPANFLOW_COLLECTOR?",
            "SPANFLOW_INTERFACES: unknown variable; did you mean SPANFLOW_INTERFACE?",
        ],
    ),
    (
        {"SPANFLOW_INTERFACE": "eth0 a/b eth0", "SPANFLOW_COLLECTOR": "h ipfix+udp://i?mtu=1&pace=x"},
        [
            "SPANFLOW_COLLECTOR h: 'h' is no URL; write ipfix+udp://HOST:PORT",
            "SPANFLOW_COLLECTOR ipfix+udp://i?mtu=1&pace=x: mtu: '1' is out of range; use 512 to 65507,",
            "SPANFLOW_COLLECTOR ipfix+udp://i?mtu=1&pace=x: pace: 'x' is not a whole number;",
            "SPANFLOW_INTERFACE a/b: 'a/b' is no interface name; use 1 to 64 printable characters without",
            "SPANFLOW_INTERFACE eth0: interfaces: a second interface has the name 'eth0'; remove one",
        ],
    ),
    ({"SPANFLOW_CACHE_KEY": "[vlan"}, ["SPANFLOW_CACHE_KEY: not YAML: did not find expected ',' or ']'"]),
    (
        {"SPANFLOW_CAPTURE_FILTER": "tcp prot 80"},
        ["SPANFLOW_CAPTURE_FILTER: capture.filter: 'tcp prot 80' is no capture filter: can't parse filter"],
    ),
    (
        {"SPANFLOW_CACHE_MAX_FLOWS": "1", "SPANFLOW_INTERFACE": "eth0 eth1"},
        ["SPANFLOW_CACHE_MAX_FLOWS: cache.max_flows: 1 flows do not do for 2 workers; raise it"],
    ),
]


@pytest.mark.parametrize(("environment", "problems"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_a_wrong_variable_is_named(environment: dict[str, str], problems: list[str]) -> None:
    lines = error_of(environment)
    assert [line[: len(start)] for line, start in zip(lines, problems, strict=True)] == problems


def test_errors_of_file_variables_and_arguments_come_in_this_order(tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text("cache: {max_flows: x}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, ["dpi.enabled=on"], environment={"SPANFLOW_LOG_LEVEL": "loud"})
    located = [line for line in str(caught.value).split("\n") if not line.startswith("    ")]
    assert [line.split(": ")[0].removeprefix(str(path)) for line in located] == [
        ":1:20",
        "SPANFLOW_LOG_LEVEL",
        "--set dpi.enabled=on",
    ]
