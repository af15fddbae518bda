# SPDX-License-Identifier: Apache-2.0
"""Loading: files, overrides, collectors, and what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from spanflow.config.document import LARGEST_FILE
from spanflow.config.load import load
from spanflow.config.schema import Cache, Capture, Collector, Interface, Settings, setting_keys
from spanflow.errors import ConfigError, ExitCode

SECOND = 10**9


def error_of(
    path: Path | None, *overrides: str, collectors: tuple[str, ...] = (), interfaces: tuple[str, ...] = ()
) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, overrides, collectors, interfaces)
    assert caught.value.exit_code == ExitCode.CONFIG
    return str(caught.value)


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    path = tmp_path / "probe.yaml"
    path.write_text(
        "# a probe\n"
        "cache: {active_timeout: 120s, key: [vlan], memory: null}\n"
        "capture:\n  workers: 4\n  filter: >\n    tcp\n    or udp\n"
        "export:\n"
        "interfaces:\n  - eth0\n  - {name: 'nflog:5', index: 7, workers: 1, filter: '', promiscuous: false}\n"
        "collectors:\n"
        "  - ipfix+udp://192.0.2.1?biflow=true\n"
        "  - url: ipfix+udp://[2001:db8::1]:2055\n    name: second\n    mtu: auto\n    queue_size: 2MiB\n"
    )
    return path


def test_no_file_gives_the_defaults() -> None:
    assert load(None) == Settings()


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "---\n", "cache:\ncollectors:\n", "{}", "null\n", "\ufeffcache: {}\n"]
)
def test_a_file_without_settings_gives_the_defaults(tmp_path: Path, text: str) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text(text, encoding="utf-8")
    assert load(path) == Settings()


def test_a_file_sets_what_it_names(probe: Path) -> None:
    assert load(probe) == Settings(
        capture=Capture(workers=4, filter="tcp or udp"),
        cache=Cache(active_timeout=120 * SECOND, key=("vlan",)),
        interfaces=(
            Interface(name="eth0"),
            Interface(name="nflog:5", index=7, workers=1, filter="", promiscuous=False),
        ),
        collectors=(
            Collector(host="192.0.2.1", biflow=True),
            Collector(host="2001:db8::1", port=2055, name="second", max_message_size=0, queue_size=2 << 20),
        ),
    )


def test_anchors_and_aliases_may_be_used(tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text("cache: {active_timeout: &time 30s, inactive_timeout: *time}\n")
    assert load(path).cache == Cache(active_timeout=30 * SECOND, inactive_timeout=30 * SECOND)


OVERRIDES: list[tuple[str, str, Any]] = [
    ("cache.active_timeout=5s", "cache.active_timeout", 5 * SECOND),
    ("cache.tcp_linger=0", "cache.tcp_linger", 0),
    (" cache.max_flows = 7 ", "cache.max_flows", 7),
    ("cache.memory=1GiB", "cache.memory", 1 << 30),
    ("cache.memory=none", "cache.memory", None),
    ("cache.key=[vlan, interface]", "cache.key", ("vlan", "interface")),
    ('cache.key=["vlan"]', "cache.key", ("vlan",)),
    ("cache.key=vlan,interface", "cache.key", ("vlan", "interface")),
    ("cache.key=", "cache.key", ()),
    ("cache.key=[]", "cache.key", ()),
    ("capture.filter=tcp port 80 or tcp[0:2] = 5", "capture.filter", "tcp port 80 or tcp[0:2] = 5"),
    ("capture.filter=", "capture.filter", ""),
    ("export.max_message_size=auto", "export.max_message_size", 0),
    ("dpi.enabled=true", "dpi.enabled", True),
    ("capture.snap_length=auto", "capture.snap_length", None),
    ("capture.snap_length=1600", "capture.snap_length", 1600),
    ("metrics.listen=[::1]:0", "metrics.listen", ("::1", 0)),
    ("metrics.listen=off", "metrics.listen", None),
    ("process.user=1000620000", "process.user", "1000620000"),
    ("process.user=", "process.user", ""),
]


@pytest.mark.parametrize(("override", "key", "value"), OVERRIDES, ids=[row[0] for row in OVERRIDES])
def test_an_override_replaces_the_value_of_the_file(probe: Path, override: str, key: str, value: Any) -> None:
    section, _, attribute = key.partition(".")
    assert getattr(getattr(load(probe, [override]), section), attribute) == value


@pytest.mark.parametrize("key", setting_keys())
def test_every_setting_can_be_set_on_the_command_line(key: str) -> None:
    declared = setting_keys()[key]
    section, _, attribute = key.partition(".")
    settings = load(None, [f"{key}={declared.example}"])
    assert getattr(getattr(settings, section), attribute) != declared.default


def test_the_last_override_wins() -> None:
    assert load(None, ["cache.max_flows=5", "cache.max_flows=6"]).cache.max_flows == 6


@pytest.mark.parametrize(
    ("override", "hosts"),
    [
        ("collectors=[]", []),
        ("collectors=", []),
        ("collectors=ipfix+udp://a?biflow=true", ["a"]),
        ("collectors=[ipfix+udp://a, {url: ipfix+udp://b, pace: 0}]", ["a", "b"]),
    ],
)
def test_collectors_are_overridden_as_a_whole(probe: Path, override: str, hosts: list[str]) -> None:
    assert [collector.host for collector in load(probe, [override]).collectors] == hosts


def test_collectors_of_the_command_line_come_after_those_of_the_file(probe: Path) -> None:
    settings = load(probe, [], ["ipfix+udp://c"])
    assert [collector.host for collector in settings.collectors] == ["192.0.2.1", "2001:db8::1", "c"]


@pytest.mark.parametrize(
    ("override", "names"),
    [
        ("interfaces=[]", []),
        ("interfaces=", []),
        ("interfaces=any", ["any"]),
        ("interfaces=[eth2, {name: usbmon0, workers: 1}]", ["eth2", "usbmon0"]),
    ],
)
def test_interfaces_are_overridden_as_a_whole(probe: Path, override: str, names: list[str]) -> None:
    assert [interface.name for interface in load(probe, [override]).interfaces] == names


def test_interfaces_of_the_command_line_come_after_those_of_the_file(probe: Path) -> None:
    settings = load(probe, interfaces=["eth1", "any"])
    assert [interface.name for interface in settings.interfaces] == ["eth0", "nflog:5", "eth1", "any"]


def test_an_interface_sees_capture_with_its_own_options_in_place() -> None:
    capture = Capture(workers=2, filter="tcp", snap_length=512, promiscuous=True)
    assert Interface(name="eth0").effective(capture) == capture
    own = Interface(
        name="eth0", workers=4, filter="", ring_size=1 << 20, promiscuous=False, engine="ring", index=3
    )
    assert own.effective(capture) == Capture(
        workers=4, filter="", ring_size=1 << 20, promiscuous=False, engine="ring", snap_length=512
    )


WRONG_OVERRIDES: list[tuple[str, str]] = [
    ("cache.foo=1", "unknown key; known: cache.active_timeout, cache.inactive_timeout, cache.tcp_linger"),
    ("cache.activ_timeout=1s", "unknown key; did you mean cache.active_timeout?"),
    ("active_timeout=1s", "unknown key; did you mean cache.active_timeout?"),
    ("collector=x", "unknown key; did you mean collectors?"),
    ("cache=1", "is a section; set one of its keys: cache.active_timeout, cache.inactive_timeout"),
    ("cache.active_timeout", "has no value; write --set KEY=VALUE, as in --set cache.active_timeout=120s"),
    ("=5", "unknown key; known: capture.workers"),
    ("cache.active_timeout=5", "'5' has no unit; write 5s, or another of ns, us, ms, s, m, h, d"),
    ("cache.active_timeout=", "'' is not a duration; write a number and one of"),
    ("cache.max_flows=[5]", "'[5]' is not a whole number; use 1 to 268435456"),
    ("cache.key=[vlan", "not YAML: did not find expected ',' or ']'"),
    ("cache.key=[[vlan]]", "cache.key[0]: a list is not allowed here; write a word"),
    ("cache.key=vlan,x", "unknown value 'x'; known: vlan, interface"),
    (
        "capture.filter=tcp prot 80",
        "'tcp prot 80' is no capture filter: can't parse filter expression: syntax",
    ),
    ("interface=x", "unknown key; did you mean interfaces?"),
    ("interfaces=a/b", "interfaces[0]: 'a/b' is no interface name; use 1 to 64 printable characters without"),
    ("interfaces=[{nam: eth0}]", "interfaces[0].nam: unknown key; did you mean name?"),
    ("interfaces=[eth0, eth0]", "a second interface has the name 'eth0'; remove one"),
    ("metrics.listen=9730", "'9730' is no ADDRESS:PORT; write 127.0.0.1:9730, [::1]:9730, or 0.0.0.0:9730"),
    ("collectors=x", "collectors[0]: 'x' is no URL; write ipfix+udp://HOST:PORT"),
    ("collectors=[{url: ipfix+udp://h, mtu: 5}]", "collectors[0].mtu: '5' is out of range; use 512 to 65507"),
    ("collectors=[ipfix+udp://h, ipfix+udp://h]", "a second collector has the name 'ipfix+udp://h:4739'"),
]


@pytest.mark.parametrize(("override", "problem"), WRONG_OVERRIDES, ids=[row[0] for row in WRONG_OVERRIDES])
def test_a_wrong_override_names_the_argument(override: str, problem: str) -> None:
    text = error_of(None, override)
    assert text.split("\n")[0].startswith(f"--set {override}: {problem}")
    assert all(line.startswith("--set ") for line in text.split("\n"))


def test_the_argument_is_shown_on_one_line() -> None:
    assert error_of(None, "cache.x\n\x1b[31m=1").startswith("--set cache.x\\n\\x1b[31m=1: unknown key;")
    assert len(error_of(None, "log.x=" + "y" * 5000)) < 200


def test_errors_of_file_overrides_and_collectors_come_together(probe: Path) -> None:
    probe.write_text("cache: {max_flows: x, nothing: 1}\n")
    text = error_of(
        probe,
        "cache.foo=1",
        "dpi.enabled=on",
        collectors=("ipfix+udp://h?mtu=1", "x"),
        interfaces=("eth0", "a b", "eth0"),
    )
    lines = text.split("\n")
    located = [line for line in lines if not line.startswith("    ")]
    assert [line.split(": ")[0].removeprefix(str(probe)) for line in located] == [
        ":1:20",
        ":1:23",
        "--set cache.foo=1",
        "--set dpi.enabled=on",
        "--collector ipfix+udp://h?mtu=1",
        "--collector x",
        "-i a b",
        "-i eth0",
    ]


def test_the_workers_of_an_override_must_fit_the_flows_of_the_file(probe: Path) -> None:
    probe.write_text("cache:\n  max_flows: 2\n")
    assert error_of(probe, "capture.workers=8").startswith(
        f"{probe}:2:14: cache.max_flows: 2 flows do not do"
    )
    assert load(probe, ["capture.workers=8", "cache.memory=1MiB"]).capture.workers == 8


def test_the_workers_of_interfaces_share_the_cache() -> None:
    override = ["cache.max_flows=4", "capture.workers=2"]
    assert len(load(None, override, interfaces=["eth0", "eth1"]).interfaces) == 2
    text = error_of(None, *override, interfaces=("eth0", "eth1", "eth2"))
    assert text == "--set cache.max_flows=4: 4 flows do not do for 6 workers; raise it"


def unreadable(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_missing_file(tmp_path: Path) -> None:
    error = unreadable(tmp_path / "no.yaml")
    assert (str(error), error.exit_code) == (
        f"{tmp_path}/no.yaml: no such file; check the path",
        ExitCode.NO_INPUT,
    )


def test_a_path_through_a_file(probe: Path) -> None:
    assert unreadable(probe / "x").exit_code == ExitCode.NO_INPUT


def test_a_path_that_no_system_has() -> None:
    assert unreadable(Path("a\0b")).exit_code == ExitCode.NO_INPUT


def test_a_directory(tmp_path: Path) -> None:
    error = unreadable(tmp_path)
    assert str(error) == f"{tmp_path}: is a directory; name the file in it"
    assert error.exit_code == ExitCode.NO_INPUT


def test_a_file_that_may_not_be_read(probe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    # chmod would not stop root, who runs the tests in many places.
    monkeypatch.setattr(Path, "open", refuse)
    error = unreadable(probe)
    assert str(error) == f"{probe}: not permitted to read it; check owner and mode"
    assert error.exit_code == ExitCode.NO_PERMISSION


def test_a_file_that_fails_while_it_is_read(probe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    error = unreadable(probe)
    assert str(error) == f"{probe}: cannot be read: [Errno 5] Input/output error; check the path"
    assert error.exit_code == ExitCode.IO_ERROR


def test_a_file_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_bytes(b"#" * LARGEST_FILE)
    assert load(path) == Settings()
    path.write_bytes(b"#" * (LARGEST_FILE + 1))
    assert error_of(path) == f"{path}: longer than 1048576 octets; is it a configuration file?"


def test_a_file_without_an_end(tmp_path: Path) -> None:
    assert "longer than 1048576 octets" in error_of(Path("/dev/zero"))


def test_a_pipe_is_read_like_a_file() -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"cache: {max_flows: 5}\n")
        os.close(writer)
        assert load(f"/dev/fd/{reader}").cache.max_flows == 5
    finally:
        os.close(reader)
