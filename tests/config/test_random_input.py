# SPDX-License-Identifier: Apache-2.0
"""Whatever a file has in it: settings or a ConfigError, and settings survive being written and read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanflow.config.application_rules import (
    TAKEN_NAMES,
    ApplicationName,
    ApplicationRule,
    Cidr,
    PortRange,
    ServerName,
)
from spanflow.config.bpf import CaptureFilter
from spanflow.config.collector_options import misplaced
from spanflow.config.collector_settings import SCHEMES
from spanflow.config.declare import settings_of
from spanflow.config.describe import shipped_yaml
from spanflow.config.engine_values import EngineName, FilePath
from spanflow.config.lists import ListOf, MappingOf
from spanflow.config.load import load
from spanflow.config.network_values import InterfaceName, IpAddress, ListenAddress
from spanflow.config.quantities import Quantity
from spanflow.config.record_filter import FilterExpression
from spanflow.config.render import to_yaml
from spanflow.config.schema import Collector, Interface, Settings, root_keys, sections, setting_keys
from spanflow.config.values import Boolean, Choice, InvalidValueError, Kind, OrNone, SetOf, Text
from spanflow.errors import ConfigError

Load = Callable[[str | bytes], Settings | None]

# Not `filter`: libpcap would look up the host names that random expressions have.
NAMES = [key.partition(".")[2] for key in setting_keys() if key != "capture.filter"]
NAMES += [
    *root_keys(),
    "url",
    *settings_of(Collector),
    *settings_of(Interface),
    *settings_of(ApplicationRule),
]
NAMES = [name for name in NAMES if name != "filter"]
SCALARS = st.sampled_from(
    ["15s", "64MiB", "7", "true", "auto", "null", "", "ipfix+udp://h:1?mtu=1400", "[", "*a"]
)
LEAVES = SCALARS | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=30,
)


@pytest.fixture(scope="module")
def load_text(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Load a text as a file; None when it is refused, which must be in lines of our making."""
    path = tmp_path_factory.mktemp("config") / "probe.yaml"

    def load_text(content: str | bytes) -> Settings | None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        try:
            return load(path)
        except ConfigError as error:
            for line in str(error).split("\n"):
                assert line.isprintable()
                assert line.startswith((f"{path}:", "    "))
            return None

    return load_text


@given(content=st.binary(max_size=200) | st.text(max_size=200))
def test_any_octets(load_text: Load, content: str | bytes) -> None:
    load_text(content)


@given(content=st.text("abc:-[]{},&*!|>'\"%@`#?\t \n\r\x85\u2028é日~", max_size=120))
def test_any_text_of_the_characters_that_mean_something(load_text: Load, content: str) -> None:
    load_text(content)


def flow_style(tree: Any) -> str:
    """A tree as YAML in flow style; texts unquoted, so that some of them are no YAML."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key}: {flow_style(value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(flow_style, tree)) + "]"
    return "null" if tree is None else str(tree)


@given(tree=TREES)
def test_any_tree(load_text: Load, tree: Any) -> None:
    load_text(flow_style(tree))


@given(st.data())
def test_the_shipped_file_with_something_cut_out_or_put_in(load_text: Load, data: st.DataObject) -> None:
    text = shipped_yaml()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 60)))
        text = (
            text[:start]
            + data.draw(st.sampled_from(["", ":", "\n", "  ", "\t", "[", "{", "- ", "#", "\0"]))
            + text[end:]
        )
    load_text(text)


def values_of(kind: Kind[Any]) -> st.SearchStrategy[Any]:
    """Values that a setting of this kind may have."""
    match kind:
        case Quantity():
            numbers = st.integers(kind.minimum, kind.maximum)
            return numbers | st.just(0) if kind.zero else numbers
        case Boolean():
            return st.booleans()
        case Text():
            return st.from_regex(kind.pattern, fullmatch=True)
        case Choice():
            return st.sampled_from(kind.words)
        case SetOf():
            return st.lists(st.sampled_from(kind.item.words), unique=True).map(tuple)
        case OrNone():
            return st.none() | values_of(kind.kind)
        case CaptureFilter():
            return st.sampled_from(
                ["", "tcp port 80", "ether[0] & 1 = 0 and (not vlan)", "tcp[tcpflags] & (tcp-syn) != 0"]
            )
        case InterfaceName():
            return st.from_regex(r"[^\s/]{1,15}", fullmatch=True).filter(lambda name: _is_name(kind, name))
        case ListenAddress():
            return st.tuples(st.ip_addresses().map(str), st.integers(0, 65535))
        case IpAddress():
            return st.ip_addresses().map(str)
        case FilterExpression():
            return st.sampled_from(
                ["net 10.0.0.0/8", "proto tcp and not port 53", 'app "my own" or octets > 9']
            )
        case EngineName():
            return st.sampled_from(["auto", "ndpi-4.2", "ndpi-5.0.1", "/opt/engine: a.so"])
        case FilePath():
            return st.text("/aé日#:'\" -", max_size=20)
        case ListOf():
            return st.lists(values_of(kind.item), max_size=3).map(tuple)
        case MappingOf():
            conditions = st.sampled_from(
                [{"port": ((80, 80),)}, {"cidr": ("::/0",)}, {"server_name": ("a.b",)}]
            )
            return conditions.flatmap(
                lambda condition: objects_of(
                    kind.cls, **{key: st.just(value) for key, value in condition.items()}
                )
            )
        case ApplicationName():
            return st.from_regex(r"[!-~]([ -~]{0,10}[!-~])?", fullmatch=True).filter(
                lambda name: name.lower() not in TAKEN_NAMES
            )
        case Cidr():
            return st.ip_addresses().map(ip_network).map(str)
        case PortRange():
            ports = st.integers(1, 65535)
            return st.tuples(ports, ports).map(lambda pair: (min(pair), max(pair)))
        case ServerName():
            return st.from_regex(r"[a-z0-9_-]{1,9}(\.[a-z0-9_-]{1,9}){0,2}", fullmatch=True)
    raise AssertionError(kind)


def _is_name(kind: InterfaceName, text: str) -> bool:
    try:
        return kind.parse(text) == text
    except InvalidValueError:
        return False


def objects_of(cls: type[Any], **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects of a section or of an item of a list with any settings; options may be absent."""
    members = {}
    for declared in settings_of(cls).values():
        if declared.attribute in fixed:
            continue
        given_values = values_of(declared.kind)
        absent = st.nothing() if declared.default is MISSING else st.just(declared.default)
        members[declared.attribute] = absent | given_values
    return st.builds(cls, **members, **fixed)


@st.composite
def collectors(draw: st.DrawFn) -> Collector:
    """Collectors of any scheme, with options that go together; none is in a group with others."""
    scheme = SCHEMES[draw(st.sampled_from(list(SCHEMES)))]
    place = (
        {"path": draw(st.sampled_from(["/a", "/var/b c/%Y.ipfix", "/é#?"])), "port": 0}
        if scheme.transport == "file"
        else {
            "host": draw(st.sampled_from(["h", "2001:db8::1", "192.0.2.1"])),
            "port": draw(st.integers(1, 65535)),
        }
    )
    # A few at a time: to draw all of them takes too long.
    known = settings_of(Collector)
    chosen = draw(st.sets(st.sampled_from([key for key in known if not key.startswith("group")]), max_size=6))
    options = {known[key].attribute: draw(values_of(known[key].kind)) for key in sorted(chosen)}
    collector = Collector(protocol=scheme.protocol, transport=scheme.transport, **place, **options)
    while wrong := {known[key].attribute: known[key].default for key, _ in misplaced(collector)}:
        if "anonymize_key" in wrong:
            wrong["anonymize"] = known["anonymize"].default
        if wrong.keys() & {"certificate", "key"}:
            wrong |= {"certificate": None, "key": None}
        collector = replace(collector, **wrong)
    return collector


# Of three interfaces.
MOST_WORKERS = 3 * 64

SETTINGS = st.builds(
    Settings,
    **{key: objects_of(part.cls) for key, part in sections().items()},
    interfaces=st.lists(objects_of(Interface), max_size=3, unique_by=lambda interface: interface.name).map(
        tuple
    ),
    collectors=st.lists(
        collectors(),
        max_size=3,
        unique_by=(lambda collector: collector.name, lambda collector: collector.path or collector.name),
    ).map(tuple),
).filter(
    lambda settings: (
        (settings.cache.memory or settings.cache.max_flows >= MOST_WORKERS)
        and settings.dpi.max_flows >= MOST_WORKERS
    )
)


@given(settings=SETTINGS)
def test_settings_are_read_back_as_they_were_written(load_text: Load, settings: Settings) -> None:
    assert load_text(to_yaml(settings)) == settings
