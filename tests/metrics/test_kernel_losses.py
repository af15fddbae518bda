# SPDX-License-Identifier: Apache-2.0
"""Losses that only the kernel counts: from 0 on, never back, whatever becomes of the interface."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from metrics.kernel_counts import KernelCounts
from metrics.probe_statuses import IDLE_INTERFACE
from spanflow.kernel_losses import CARD_STAGES, KernelLosses
from spanflow.status import InterfaceStatus

ETH0 = (IDLE_INTERFACE,)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> KernelCounts:
    return KernelCounts.installed(monkeypatch)


def eth0(index: int) -> tuple[InterfaceStatus, ...]:
    return (replace(IDLE_INTERFACE, index=index),)


def dropped(losses: KernelLosses, interfaces: Sequence[InterfaceStatus] = ETH0) -> int:
    cards, _ = losses.look(interfaces)
    return cards["eth0"]["card_dropped"]


def test_what_was_lost_before_the_start_does_not_count(kernel: KernelCounts) -> None:
    kernel.card("eth0", dropped=100, missed=200, errors=300, no_buffer=400)
    kernel.softnet = 7
    losses = KernelLosses()
    assert losses.look(ETH0) == ({"eth0": dict.fromkeys(CARD_STAGES, 0)}, 0)
    kernel.card("eth0", dropped=101, missed=202, errors=303, no_buffer=404)
    kernel.softnet = 12
    expected = {"card_dropped": 1, "card_missed": 2, "card_errors": 3, "card_no_buffer": 4}
    assert losses.look(ETH0) == ({"eth0": expected}, 5)


def test_only_the_interfaces_asked_for_are_told_also_those_that_are_not_there(kernel: KernelCounts) -> None:
    kernel.card("lo", dropped=1)
    losses = KernelLosses()
    kernel.card("lo", dropped=2)
    assert losses.look(ETH0) == ({"eth0": dict.fromkeys(CARD_STAGES, 0)}, 0)


def test_an_interface_that_comes_later_counts_from_its_own_begin(kernel: KernelCounts) -> None:
    losses = KernelLosses()
    assert dropped(losses, eth0(0)) == 0
    kernel.card("eth0", dropped=3)
    assert dropped(losses, eth0(9)) == 3


def test_an_interface_that_came_a_moment_ago_is_not_counted_twice(kernel: KernelCounts) -> None:
    """The kernel has it already, but the probe has not."""
    losses = KernelLosses()
    kernel.card("eth0", dropped=3)
    assert dropped(losses, eth0(0)) == 0
    assert dropped(losses, eth0(9)) == 3


def test_an_interface_that_is_made_anew_begins_at_zero_and_the_sum_goes_on(kernel: KernelCounts) -> None:
    kernel.card("eth0", dropped=10)
    losses = KernelLosses()
    kernel.card("eth0", dropped=15)
    assert dropped(losses, eth0(2)) == 5
    del kernel.cards["eth0"]
    assert dropped(losses, eth0(0)) == 5
    kernel.card("eth0", dropped=20)
    assert dropped(losses, eth0(3)) == 25
    kernel.card("eth0", dropped=21)
    assert dropped(losses, eth0(3)) == 26


def test_a_count_that_goes_back_does_not_take_ours_along(kernel: KernelCounts) -> None:
    kernel.card("eth0")
    losses = KernelLosses()
    kernel.card("eth0", dropped=8)
    kernel.softnet = 8
    assert (dropped(losses), losses.look(ETH0)[1]) == (8, 8)
    kernel.card("eth0", dropped=2)
    kernel.softnet = 2
    assert (dropped(losses), losses.look(ETH0)[1]) == (8, 8)
    kernel.card("eth0", dropped=3)
    kernel.softnet = 3
    assert (dropped(losses), losses.look(ETH0)[1]) == (9, 9)


def test_a_kernel_that_does_not_tell_changes_nothing_and_is_logged(
    kernel: KernelCounts, caplog: pytest.LogCaptureFixture
) -> None:
    kernel.card("eth0")
    losses = KernelLosses()
    kernel.card("eth0", dropped=4)
    kernel.softnet = 4
    assert losses.look(ETH0) == ({"eth0": dict.fromkeys(CARD_STAGES, 0) | {"card_dropped": 4}}, 4)
    kernel.error = PermissionError(13, "Permission denied")
    with caplog.at_level(logging.WARNING):
        assert losses.look(ETH0) == ({"eth0": dict.fromkeys(CARD_STAGES, 0) | {"card_dropped": 4}}, 4)
    assert caplog.messages == ["drops of network cards cannot be read"]
    kernel.error = None
    kernel.card("eth0", dropped=6)
    assert dropped(losses) == 6


def test_the_kernel_of_this_machine_tells_something() -> None:
    """Not in its place, but itself: the names of CARD_STAGES are those of its counts."""
    losses = KernelLosses()
    cards, softnet = losses.look([replace(IDLE_INTERFACE, name="lo", index=1)])
    assert cards["lo"].keys() == CARD_STAGES.keys()
    assert all(count >= 0 for count in (*cards["lo"].values(), softnet))
