# SPDX-License-Identifier: Apache-2.0
"""docs/collectors.md, where it repeats what the code decides."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spanflow.config.collector_settings import PROFILES, SCHEMES, Collector
from spanflow.config.collector_url import parse_collector
from spanflow.config.declare import settings_of
from spanflow.config.load import load
from spanflow.config.quantities import HOUR, MINUTE
from spanflow.config.schema import Export
from spanflow.exporting.options_choice import SamplingForm
from spanflow.exporting.profiles import NFDUMP
from spanflow.exporting.transport.dtls import _LONGEST_SESSION_S
from spanflow.exporting.transport.file_names import problem_of

PAGE = (Path(__file__).parents[2] / "docs/collectors.md").read_text()
URLS = re.findall(r"(?<![\w+])((?:ipfix\+\w+|netflow\d|json\+\w+)://[^\s`'},]+)", PAGE)


def settled(url: str) -> Collector:
    """The collector of a URL on the page: HOST, COLLECTOR and PORT stand for some."""
    plain = re.sub(r"\[:(\d+)\]", r":\1", url).replace(":PORT", ":5170").replace("/PATH", "/flows")
    return parse_collector(plain)


@pytest.mark.parametrize("url", sorted(set(URLS)))
def test_a_url(url: str) -> None:
    collector = settled(url)
    if collector.transport == "file":
        assert problem_of(collector.path) == ""
    if port := re.search(r"\[:(\d+)\]", url):
        assert SCHEMES[collector.scheme].port == int(port[1])


def test_every_scheme_and_every_profile() -> None:
    collectors = [settled(url) for url in URLS]
    assert {collector.scheme for collector in collectors} == set(SCHEMES)
    assert {collector.profile for collector in collectors} == set(PROFILES)


def test_every_option_that_it_names_exists() -> None:
    named = set(re.findall(r"`([a-z_0-9]+)=", PAGE)) - {"spool_directory"}
    assert len(named) > 10
    assert named <= set(settings_of(Collector))


def test_defaults() -> None:
    export, collector = Export(), Collector()
    assert f"`template_copies` ({export.template_copies})" in PAGE
    assert f"every 30 s or {export.template_refresh_packets:,} Messages" in PAGE
    assert export.template_refresh == export.options_refresh == MINUTE // 2
    assert f"{export.pace:,} Messages a second" in PAGE
    assert f"`retry_interval` ({export.retry_interval // 10**9} s" in PAGE
    assert f"`send_timeout` ({export.send_timeout // 10**9} s)" in PAGE
    assert f"`spool_rate` | {export.spool_rate:,} |" in PAGE
    assert (export.spool_size, export.spool_age) == (1 << 30, 24 * HOUR)
    assert (collector.rotate_time, collector.rotate_size) == (HOUR, 0)
    assert f"a new handshake every {_LONGEST_SESSION_S:.0f} s" in PAGE
    assert NFDUMP.options.sampling == (SamplingForm.RATE,)


def test_examples_are_configurations(tmp_path: Path) -> None:
    blocks = re.findall(r"(?:^    .+\n)+", PAGE, re.MULTILINE)
    examples = [block for block in blocks if block.lstrip().startswith(("collectors:", "export:"))]
    assert len(examples) == 3
    for number, text in enumerate(examples):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        load(path)
