# SPDX-License-Identifier: Apache-2.0
"""A failing scenario with as few frames as will do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from differential.scenarios import Scenario


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """Without frames that are not needed to fail, and with one worker if that suffices.

    Drops runs of frames, shorter and shorter ones, until no single frame can go.
    """
    alone = replace(scenario, workers=1)
    if fails(alone):
        scenario = alone
    frames = scenario.crafted.frames
    run = max(1, len(frames) // 2)
    while True:
        before, at = len(frames), 0
        while at < len(frames):
            fewer = frames[:at] + frames[at + run :]
            if fails(scenario.of_frames(fewer)):
                frames = fewer
            else:
                at += run
        if run > 1:
            run //= 2
        elif len(frames) == before:
            return scenario.of_frames(frames)
