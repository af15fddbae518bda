# SPDX-License-Identifier: Apache-2.0
"""The daemon around plugins: with a meter that a test plays, the main loop goes on whatever a plugin does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from exporting.flow_batches import some_flows
from metrics.probe_statuses import IDLE_METERING
from spanflow import service
from spanflow.config.schema import Export, Metrics, Plugin, Settings
from spanflow.exporting.counters import NOTHING, Tally
from spanflow.exporting.plugin_columns import PluginColumn
from spanflow.features.batch import FlowBatch
from spanflow.plugins.chain import PluginChain
from spanflow.plugins.configured import ConfiguredPlugins
from spanflow.plugins.stage import BOUND_OCTETS
from spanflow.record import RECORD, Batch
from spanflow.reload import needing_restart, reloadable
from spanflow.status import PluginStatus
from spanflow.systemd import Notifier

TIMEOUT_S = 30.0
LARGE = some_flows(BOUND_OCTETS // RECORD.itemsize)
"""Fills the stage alone."""


class SlowPlugin:
    """Comes back when it is let go."""

    def __init__(self) -> None:
        self.columns = {"number": "unsigned32"}
        self.open = threading.Event()

    def __call__(self, flows: FlowBatch) -> Mapping[str, Any]:
        assert self.open.wait(TIMEOUT_S)
        return {"number": np.arange(len(flows))}


class Meter:
    """Hands over these batches, and ends when it is stopped.

    on_look: called each time that the main loop looks whether a worker died. on_stop: at the end of the run.
    """

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.waiting = list(batches)
        self.taken = 0
        self.looks_since_taken = 0
        self.stops = 0
        self.on_look: Callable[[], object] = lambda: None
        self.on_stop: Callable[[], object] = lambda: None

    def batches(self) -> Iterator[Batch | None]:
        while self.waiting or not self.stops:
            if self.waiting:
                self.taken, self.looks_since_taken = self.taken + 1, 0
            yield self.waiting.pop(0) if self.waiting else None

    def failure(self) -> str:
        self.looks_since_taken += 1
        self.on_look()
        return ""

    def stop(self) -> None:
        self.stops += 1
        if self.stops == 2:
            self.on_stop()

    def start(self) -> None:
        pass

    def raise_if_failed(self) -> None:
        pass

    def progress(self) -> list[Any]:
        return []

    def interfaces(self) -> list[Any]:
        return []

    def counters(self) -> Any:
        return IDLE_METERING

    def set_own_exports(self, flows: object) -> None:
        pass


@pytest.fixture
def sighup() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


class Probe:
    """A service over a played meter; `exported` is what reached the exporters."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, batches: Sequence[Batch], drain_timeout: int) -> None:
        self.meter, self.plugin = Meter(batches), SlowPlugin()
        monkeypatch.setattr(service, "LiveMeter", lambda *arguments: self.meter)
        settings = Settings(metrics=Metrics(listen=None), export=Export(drain_timeout=drain_timeout))
        plugins = ConfiguredPlugins(
            PluginChain([self.plugin], names=["x:y"]), (PluginColumn("number", 1000, "unsigned32"),)
        )
        self.service = service.Service(
            settings, [], lambda: settings, Notifier.from_environment(), plugins=plugins
        )
        self.exported: list[Batch] = []
        monkeypatch.setattr(
            self.service._exporters, "offer", lambda batch, deadline_s: self.exported.append(batch)
        )

    def status(self) -> PluginStatus:
        return self.service.status().plugins


@pytest.mark.usefixtures("sighup")
def test_a_slow_plugin_holds_up_neither_the_main_loop_nor_loses_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probe = Probe(monkeypatch, [LARGE, some_flows(3), some_flows(2)], drain_timeout=10**10)
    moments: list[PluginStatus] = []

    def look() -> None:
        if probe.meter.looks_since_taken == 3 and not moments:
            # The main loop holds a batch, for which there is no room, and looks around all the same.
            moments.append(probe.status())
            assert probe.meter.taken == 2
            probe.plugin.open.set()
        if not probe.meter.waiting:
            signal.raise_signal(signal.SIGTERM)

    probe.meter.on_look = look
    probe.service.run()
    (full,) = moments
    assert full.books.queued.records == full.books.offered.records == len(LARGE)
    assert full.queued_octets == LARGE.nbytes
    assert [len(batch) for batch in probe.exported] == [len(LARGE), 3, 2]
    assert probe.exported[2].columns["number"].tolist() == [0, 1]
    end = probe.status()
    assert end.books.sent.records == len(LARGE) + 5 == end.plugins[0].records
    assert end.dropped == end.books.queued == NOTHING
    assert set(end.imbalance().values()) == {0}


@pytest.mark.usefixtures("sighup")
def test_at_the_end_what_plugins_do_not_get_to_is_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    probe = Probe(monkeypatch, [LARGE, some_flows(3), some_flows(2)], drain_timeout=1)

    def look() -> None:
        if probe.meter.looks_since_taken == 2:
            signal.raise_signal(signal.SIGTERM)

    probe.meter.on_look = look
    probe.meter.on_stop = probe.plugin.open.set  # all has been handed over, and the time is over
    with caplog.at_level("WARNING", "spanflow"):
        probe.service.run()
    status = probe.service.status()
    books = status.plugins.books
    assert books.offered.records == len(LARGE) + 5
    assert books.queued == NOTHING
    assert books.sent.records == sum(map(len, probe.exported)) == 0
    assert status.plugins.dropped == books.offered
    assert status.lost == books.offered.packets > 0
    assert set(status.plugins.imbalance().values()) == {0}
    lost = [vars(each) for each in caplog.records if "the plugins did not get to them" in each.message]
    assert sum(each["records"] for each in lost) == books.offered.records


def test_other_plugins_need_a_restart() -> None:
    now = Settings()
    wanted = Settings(plugins=(Plugin(plugin="a:b"),))
    assert needing_restart(now, wanted) == ["plugins"]
    assert reloadable(now, wanted).plugins == ()


def test_without_plugins_there_is_no_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LiveMeter", lambda *arguments: Meter([]))
    before = threading.active_count()
    idle = service.Service(Settings(metrics=Metrics(listen=None)), [], Settings, Notifier.from_environment())
    assert threading.active_count() == before
    assert idle.status().plugins == PluginStatus()
    assert idle.status().plugins.books.offered == Tally()
