# SPDX-License-Identifier: Apache-2.0
"""Applications: what the native engine finds, the reference engine finds as well."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

import reference
from classify.classified import classified
from classify.crafted import NAME, application_traffic, tls
from classify.test_pieces import ANSWER, FOUR, SIX, asked, in_fragments
from craft.capture import Capture
from craft.conversation import Pair, play
from golden.regenerate import DEMO
from metering import native
from spanflow.classification import open_classification
from spanflow.config.application_rules import ApplicationRule
from spanflow.metering_counters import ClassificationCounters
from spanflow.reference.capture import CaptureFiles
from spanflow.reference.detail_text import clean_text
from spanflow.reference.detection import Detection
from spanflow.reference.flows import Flow
from spanflow.reference.meter import ReferenceMeter
from spanflow.reference.metering import Metering
from spanflow.reference.ndpi import Engine, EngineState
from spanflow.reference.packet import Packet

RULES = (
    ApplicationRule(name="intranet", server_name=("example.org",)),
    ApplicationRule(name="mail", port=((25, 110),), cidr=("198.51.100.0/24",)),
    ApplicationRule(name="mapped", cidr=("::ffff:203.0.113.0/120",)),
    ApplicationRule(name="SSH", cidr=("2001:db8::/32",), port=((5432, 5432),)),
    ApplicationRule(name="six", cidr=("::/0",), port=((4711, 4711),)),
)
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "empty packets": {"empty_packets": True, "http_details": True},
    "small budgets": {"tcp_packets": 1, "udp_packets": 1, "other_packets": 1},
    "rules": {"rules": RULES},
}


def differences(paths: list[Path], **options: Any) -> list[Any]:
    """Verdicts, details among them, that differ."""
    theirs = native.meter(paths, **options)
    ours = reference.meter_as_users_do(paths, **options)
    assert _counts(ours.counters.classification) == _counts(theirs.counters.classification)
    verdicts = [
        Counter((int(each.record["flow_id"]), each.packets, each.verdict) for each in classified(outcome))
        for outcome in (ours, theirs)
    ]
    return [*(verdicts[0] - verdicts[1]).items(), *(verdicts[1] - verdicts[0]).items()]


def _counts(counters: ClassificationCounters) -> ClassificationCounters:
    return replace(counters, memory_octets=0)


@pytest.fixture
def traffic(tmp_path: Path) -> Path:
    path = tmp_path / "traffic.pcap"
    path.write_bytes(application_traffic().pcap())
    return path


@pytest.mark.parametrize("name", SETTINGS)
def test_crafted_traffic(traffic: Path, name: str) -> None:
    """A split in the middle of detection says what is known by then."""
    for active_timeout in (60 * native.SECOND, native.SECOND // 50):
        assert differences([traffic], dpi=SETTINGS[name], active_timeout=active_timeout) == []


def test_flows_beyond_the_bound_are_told_by_their_ports(traffic: Path) -> None:
    """Each Flow is counted once, however it was decided."""
    counters = reference.meter_as_users_do([traffic], dpi={"max_flows": 1}).counters
    found = counters.classification
    assert found.refused_flows > 10
    decided = (found.detected, found.given_up, found.guessed, found.refused_flows, found.refused_memory)
    assert sum(decided) == counters.flows_opened


@pytest.mark.parametrize("pair", [FOUR, SIX], ids=["IPv4", "IPv6"])
def test_pieces(tmp_path: Path, pair: Pair) -> None:
    path = tmp_path / "pieces.pcap"
    path.write_bytes(asked(pair, in_fragments(pair, ANSWER)).cut(200).pcap())
    assert differences([path], dpi={}) == []


def test_the_demo() -> None:
    assert differences([DEMO], dpi={"http_details": True}) == []


def _real() -> list[Path]:
    folder = os.environ.get("SPANFLOW_CAPTURES")
    return sorted(path for path in Path(folder).rglob("*.*cap*") if path.is_file()) if folder else []


@pytest.mark.parametrize("path", _real(), ids=lambda path: path.name)
def test_real_capture(path: Path) -> None:
    """No packet is late: records would depend on when the timers run (9.4)."""
    assert differences([path], dpi={}, reorder_window=1 << 60) == []


def test_memory_is_counted_whichever_thread_frees_it(traffic: Path) -> None:
    """As live, where a watcher ends what another thread has begun: the sum comes back to where it was."""
    settings = native.settings_of(dpi={})
    classification = open_classification(settings.dpi)

    def held_by(*threads: int) -> int:
        engine = Detection(settings.dpi, classification)
        metering = Metering(settings, lambda flow, members: None, [engine], capacity=1 << 20)
        frames = list(CaptureFiles([str(traffic)], Event()).frames())
        works = [lambda: [metering.receive(frame) for frame in frames], metering.flush]
        for thread in threads:
            with ThreadPoolExecutor(1) as pool:
                for work in works if thread == 2 else [works[thread]]:
                    pool.submit(work).result()
        assert engine.counters().under_detection == 0
        return engine._engine.allocated

    # What the watcher has freed is some KiB; the same request may get a chunk that is some octets larger.
    assert abs(held_by(0, 1) - held_by(2)) < 1024


def test_what_is_under_detection_when_an_error_ends_the_run_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "1.pcap"
    path.write_bytes(play(Capture(), "0 > PA 10").pcap())
    given_back: list[EngineState] = []
    end = Engine.end
    monkeypatch.setattr(Engine, "end", lambda engine, state: (given_back.append(state), end(engine, state)))

    def fail(packet: Packet, flow: Flow) -> None:
        raise ValueError

    settings = native.settings_of(dpi={})
    meter = ReferenceMeter(
        settings,
        paths=[str(path)],
        classification=open_classification(settings.dpi),
        user_metrics={"fail": fail},
        strict=True,
    )
    meter.start()
    assert [batch for batch in meter.batches() if batch is not None] == []
    assert meter.counters().cached_flows == 1
    assert meter.counters().classification.under_detection == 0
    assert len(given_back) == 1


def test_plugins_see_the_application(tmp_path: Path) -> None:
    seen = []

    class Looks:
        name = "looks"

        def on_flow_init(self, flow: Flow) -> None:
            seen.append(flow.classifiers["ndpi"]["application_name"])

        def on_flow_terminate(self, flow: Flow) -> None:
            seen.append(dict(flow.classifiers["ndpi"]))

    path = tmp_path / "tls.pcap"
    path.write_bytes(tls(Capture(), Pair(), NAME).pcap())
    outcome = reference.meter_as_users_do([path], plugins={"user_classifiers": [Looks()]}, dpi={})
    (record,) = outcome.records
    named = {
        "application_name": "TLS",
        "category_name": outcome.applications.categories[int(record["application_category"])],
        "application_id": int(record["application_id"]),
    }
    assert seen == ["Unknown", named]
    assert outcome.batches[0].attachments[0].classifiers["ndpi"] == named


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"plain", "plain"),
        (b"one\x07two\x7f", "one�two�"),
        ("grün".encode() + b"\xff\xfe", "grün��"),
        (b"\xe2\x82", "��"),
        ("a\x85b".encode(), "a�b"),
        (b"cut\0off", "cut"),
        (b"\x01" * 200, "�" * 84),
        ("ä".encode() * 200, "ä" * 127),
    ],
)
def test_text_of_strangers(octets: bytes, text: str) -> None:
    assert clean_text(octets) == text.encode()


def test_an_engine_that_was_never_used_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Engine] = []
    monkeypatch.setattr(Engine, "close", lambda engine: closed.append(engine))
    settings = native.settings_of(dpi={})
    meter = ReferenceMeter(settings, paths=["-"], classification=open_classification(settings.dpi))
    meter.stop()
    meter.stop()
    assert len(closed) == 1
    assert list(meter.batches()) == []
