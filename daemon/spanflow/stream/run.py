# SPDX-License-Identifier: Apache-2.0
"""One metering run of a stream: an engine, what comes out of it, and the end, however it comes."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from spanflow.applications import NO_APPLICATIONS
from spanflow.capture_sockets import open_interfaces
from spanflow.classification import REMEDY, Classification, open_classification, without_unavailable
from spanflow.config.schema import Settings
from spanflow.errors import CaptureError
from spanflow.features.batch import FlowBatch
from spanflow.file_meter import FileMeter, InputProblem
from spanflow.live_meter import LiveMeter
from spanflow.meter import cache_flows, flow_octets
from spanflow.metering_counters import MeteringCounters
from spanflow.metering_progress import Progress, watched
from spanflow.plugins.chain import PluginChain
from spanflow.stream.forks import begun_elsewhere, of_this_process
from spanflow.stream.metric_columns import metric_columns, with_metrics
from spanflow.stream.sources import Sources

if TYPE_CHECKING:
    from spanflow.reference.meter import ReferenceMeter
    from spanflow.reference.plugins import PacketPluginCounters

RESERVED_FLOWS = 1_000_000
"""How far the capacity of a native cache may be raised while it runs, at the least."""

LARGEST_SNAP_LENGTH = 65_535

_PROGRESS_AFTER_S = 1.0


class CaptureWarning(UserWarning):
    """A file was not read, or not to its end; what could be read is there."""


class MetricWarning(UserWarning):
    """A user metric gave what its column cannot have; `flow.metrics` has it all the same."""


class ClassificationWarning(UserWarning):
    """Applications are not named, as no engine can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is to do. progress: None decides by who watches."""

    sources: Sources
    settings: Settings
    reference: bool
    user_classifiers: Sequence[Any] = ()
    user_metrics: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    strict: bool = False
    progress: bool | None = None


class Run:
    """A run of `plan`. Raises what the settings or the sources have against it, before the first packet."""

    def __init__(self, plan: Plan, plugins: PluginChain) -> None:
        self._plan = plan
        self._plugins = plugins
        self._metrics = metric_columns(plan.user_metrics)
        self._refused: set[str] = set()
        self._classification = open_classification(plan.settings.dpi)
        if self._classification.missing:
            text = f"applications are not named: {self._classification.missing}; {REMEDY}"
            _warn(text, ClassificationWarning)
        self.engine = _engine(plan, self._classification)
        self.engine.set_capacity(cache_flows(plan.settings))
        self._started = self.ended = False
        of_this_process(self)

    def batches(self) -> Iterator[FlowBatch]:
        """Each batch as it comes. Whoever leaves early stops the run; what is cached is flushed, not yielded.

        Raises after the last batch what went wrong on the way: CaptureError when no file could be read,
        SpanflowError when the engine failed.
        """
        files = self._plan.sources.files
        shown = bool(files) and (watched() if self._plan.progress is None else self._plan.progress)
        applications = self._classification.applications or NO_APPLICATIONS
        try:
            self.engine.start()
            self._started = True
            with Progress(self, files, shown=shown, after_seconds=_PROGRESS_AFTER_S) as progress:
                for batch in self.engine.batches():
                    if batch is not None:
                        batch, refused = with_metrics(batch, self._metrics)
                        self._warn_of_metrics(refused)
                        yield FlowBatch(self._plugins.apply(batch, applications), applications)
                        if self.ended:
                            raise begun_elsewhere()
                    progress.update()
        finally:
            self.end()
        self.engine.raise_if_failed()
        self._raise_problems()

    def stop(self) -> None:
        """Take no more packets; what is cached leaves. For any thread."""
        self.engine.stop()

    def counters(self) -> MeteringCounters:
        """A snapshot."""
        return self.engine.counters()

    def octets_read(self) -> int:
        """Octets of all files so far."""
        return 0 if isinstance(self.engine, LiveMeter) else self.engine.octets_read()

    def problems(self) -> list[InputProblem]:
        """What is wrong with the files so far."""
        return [] if isinstance(self.engine, LiveMeter) else self.engine.problems()

    def packet_plugin_counters(self) -> list[PacketPluginCounters]:
        """Of each classifier and each metric."""
        if isinstance(self.engine, FileMeter | LiveMeter):
            return []
        return self.engine.plugin_counters()

    def kernel_drops(self) -> int:
        """Packets that found no room in the kernel's ring; they were never received."""
        if isinstance(self.engine, LiveMeter):
            return sum(each.kernel_drops for each in self.engine.interfaces())
        return 0 if isinstance(self.engine, FileMeter) else self.engine.kernel_drops()

    def end(self) -> None:
        """Stop and wait for the end, so that every count is final."""
        if self.ended:
            return
        self.engine.stop()
        if self._started:  # one that could not be started never finishes
            for _ in self.engine.batches():
                pass
        self.ended = True

    def _warn_of_metrics(self, refused: Mapping[str, str]) -> None:
        """Once in a run for each column."""
        for name in refused.keys() - self._refused:
            self._refused.add(name)
            kind = self._metrics[name]
            advice = "say what the function returns, as in `-> str`"
            _warn(
                f"{name}: {refused[name]} is no {kind}, the column has nothing for it; {advice}",
                MetricWarning,
            )

    def _raise_problems(self) -> None:
        """What was read stands, with a warning for each file that has more; nothing at all is an error."""
        problems = self.problems()
        errors = [problem.error() for problem in problems if problem.kind != "damaged"]
        if errors and (self._plan.strict or len(errors) == len(self._plan.sources.files)):
            raise CaptureError("\n".join(map(str, errors)), errors[0].exit_code)
        for problem in problems:
            _warn(str(problem.error()), CaptureWarning)


def _engine(plan: Plan, classification: Classification) -> FileMeter | LiveMeter | ReferenceMeter:
    sources = plan.sources
    if plan.reference:
        # Late: it brings dpkt and pcapy, which nobody else needs.
        from spanflow.reference.meter import ReferenceMeter

        return ReferenceMeter(
            _with_payload(plan.settings) if plan.user_classifiers or plan.user_metrics else plan.settings,
            paths=sources.files,
            interfaces=sources.interfaces,
            classification=classification,
            user_classifiers=plan.user_classifiers,
            user_metrics=plan.user_metrics,
            strict=plan.strict,
        )
    settings = _with_room(plan.settings)
    if sources.files:
        return FileMeter(settings, sources.files, classification.options)
    return LiveMeter(settings, open_interfaces(without_unavailable(settings)), classification.options)


def _with_payload(settings: Settings) -> Settings:
    """Whole frames, unless the user says how much: plugins may look at all of a packet."""
    capture = settings.capture
    whole = replace(capture, snap_length=capture.snap_length or LARGEST_SNAP_LENGTH)
    return replace(settings, capture=whole)


def _with_room(settings: Settings) -> Settings:
    """With a cache that may grow: address space alone, unless the cache is to be allocated at the start."""
    wanted = cache_flows(settings)
    if settings.cache.preallocate:
        return settings
    half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    room = min(RESERVED_FLOWS, int(half / flow_octets(settings)))
    return replace(settings, cache=replace(settings.cache, max_flows=max(wanted, room), memory=None))


def _warn(text: str, category: type[Warning]) -> None:
    """Warn in the name of the first caller outside this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("spanflow."):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)
