# SPDX-License-Identifier: Apache-2.0
"""Keyword arguments are the settings of the daemon."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spanflow.config.schema import Interface, Settings
from spanflow.errors import ConfigError, UsageError
from spanflow.stream.stream_settings import stream_settings

SECOND = 1_000_000_000


def settings(**arguments: Any) -> Settings:
    return stream_settings(None, (), {}, arguments)


def test_without_arguments_they_are_the_daemons() -> None:
    assert stream_settings(None, (), dict.fromkeys(("capacity", "bpf_filter", "snaplen")), {}) == Settings()


@pytest.mark.parametrize(
    ("value", "nanoseconds"),
    [
        *[(60, 60 * SECOND), (0.25, SECOND // 4), ("2m", 120 * SECOND)],
        *[(0, 0), (0.0015, 1_500_000), ("0", 0)],
        *[(np.int64(60), 60 * SECOND), (np.float32(0.25), SECOND // 4), (Fraction(1, 4), SECOND // 4)],
    ],
)
def test_durations(value: Any, nanoseconds: int) -> None:
    assert stream_settings(None, (), {"active_timeout": value}, {}).cache.active_timeout == nanoseconds
    assert settings(cache_tcp_linger=value).cache.tcp_linger == nanoseconds


def test_every_kind_of_value() -> None:
    found = settings(
        cache_memory=1 << 30,
        cache_key=["vlan", "interface"],
        cache_preallocate=True,
        capture_filter="tcp port 80",
        capture_ring_size="128MiB",
        dpi_rules=[{"name": "intranet", "cidr": ["10.0.0.0/8"]}],
    )
    assert found.cache.memory == 1 << 30
    assert set(found.cache.key) == {"vlan", "interface"}
    assert found.cache.preallocate
    assert found.capture.filter == "tcp port 80"
    assert found.capture.ring_size == 128 << 20
    assert [rule.name for rule in found.dpi.rules] == ["intranet"]


def test_a_file_comes_before_arguments(tmp_path: Path) -> None:
    file = tmp_path / "probe.yaml"
    file.write_text(
        "interfaces: [{name: lo, index: 7}]\ncache: {active_timeout: 30s, inactive_timeout: 5s}\n"
    )
    found = stream_settings(file, ("lo", "eth9"), {"active_timeout": 40}, {})
    assert (found.cache.active_timeout, found.cache.inactive_timeout) == (40 * SECOND, 5 * SECOND)
    assert found.interfaces == (Interface(name="lo", index=7), Interface(name="eth9"))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"cache_tcp_linger": 1e9}, "cache_tcp_linger=1000000000s: "),
        ({"cache_tcp_linger": -1}, "cache_tcp_linger=-1s: '-1s' is negative; use "),
        ({"cache_tcp_linger": float("nan")}, "cache_tcp_linger=nan: "),
        ({"cache_tcp_linger": 1e-12}, "cache_tcp_linger=1e-12s: "),
        ({"cache_max_flows": "many"}, "cache_max_flows=many: 'many' is not a whole number; use "),
        ({"capture_filter": "tcpp"}, "capture_filter=tcpp: 'tcpp' is no capture filter: "),
    ],
)
def test_values_out_of_range(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(**arguments)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("named", "others", "text"),
    [
        ({"bpf_filter": "tcp"}, {"capture_filter": "udp"}, "capture_filter: bpf_filter is the same setting;"),
        ({"capacity": 5}, {"cache_max_flows": 5}, "cache_max_flows: capacity is the same setting;"),
        ({"capacity": 5}, {"cache_memory": "1GiB"}, "cache_memory: capacity decides the size too;"),
    ],
)
def test_what_is_said_twice(named: dict[str, Any], others: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        stream_settings(None, (), named, others)
    assert str(caught.value) == f"{text} give one of them"


def test_a_capacity_is_more_than_the_memory_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "probe.yaml"
    file.write_text("cache: {memory: 1GiB}\n")
    assert stream_settings(file, (), {}, {}).cache.memory == 1 << 30
    cache = stream_settings(file, (), {"capacity": 500}, {}).cache
    assert (cache.max_flows, cache.memory) == (500, None)


def test_all_errors_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        settings(cache_max_flows="many", capture_workers=0)
    assert len(str(caught.value).splitlines()) == 2


def test_unknown_names() -> None:
    with pytest.raises(
        UsageError, match=r"^cache_tcp_lingr: no such argument; did you mean cache_tcp_linger\?$"
    ):
        settings(cache_tcp_lingr=1)
    with pytest.raises(UsageError, match="settings are SECTION_KEY"):
        settings(zzz=1)
