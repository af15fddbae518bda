# SPDX-License-Identifier: Apache-2.0
"""How many lines of the log there are: one for each class of event in ten seconds, and a count. Own clock."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator

import pytest

from spanflow.logs import INTERVAL_S, MOST_CLASSES, RateLimit, configure

log = logging.getLogger("spanflow.somewhere")


class Limited:
    """A log whose clock stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.stream = io.StringIO()
        configure("text", "debug", stream=self.stream, clock=lambda: self.now)

    def taken(self) -> list[str]:
        """What was written since the last call, without the times."""
        text = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        return [line.partition(" ")[2] for line in text.splitlines()]


@pytest.fixture
def limited() -> Iterator[Limited]:
    logger = logging.getLogger("spanflow")
    handlers, level = logger.handlers[:], logger.level
    yield Limited()
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_one_line_in_ten_seconds_then_the_count(limited: Limited) -> None:
    for _ in range(100):
        log.warning("collector lost", extra={"collector": "noc"})
        limited.now += 0.05
    assert limited.taken() == ["warning collector lost collector=noc"]
    limited.now = 1000 + INTERVAL_S
    log.warning("collector lost", extra={"collector": "noc"})
    assert limited.taken() == ["warning collector lost collector=noc held_back=99"]
    limited.now += INTERVAL_S
    log.warning("collector lost", extra={"collector": "noc"})
    assert limited.taken() == ["warning collector lost collector=noc"]


def test_the_interval_ends_exactly(limited: Limited) -> None:
    log.info("event")
    limited.now += INTERVAL_S - 0.001
    log.info("event")
    assert limited.taken() == ["info event"]
    limited.now += 0.001
    log.info("event")
    assert limited.taken() == ["info event held_back=1"]


def test_silence_shows_the_count_with_the_next_line_however_late(limited: Limited) -> None:
    log.info("event")
    log.info("event")
    limited.now += 86_400
    assert limited.taken() == ["info event"]
    log.info("event")
    assert limited.taken() == ["info event held_back=1"]


def test_a_class_is_a_message_and_its_subject(limited: Limited) -> None:
    for _ in range(2):
        log.warning("collector lost", extra={"collector": "noc", "error": "one"})
        log.warning("collector lost", extra={"collector": "noc", "error": "two"})
        log.warning("collector lost", extra={"collector": "soc"})
        log.warning("collector lost", extra={"interface": "noc"})
        log.warning("collector found", extra={"collector": "noc"})
    assert limited.taken() == [
        "warning collector lost collector=noc error=one",
        "warning collector lost collector=soc",
        "warning collector lost interface=noc",
        "warning collector found collector=noc",
    ]


def test_arguments_of_a_message_do_not_make_a_class(limited: Limited) -> None:
    for number in range(5):
        log.warning("event %d", number)
    assert limited.taken() == ["warning event 0"]


def test_debug_is_not_limited(limited: Limited) -> None:
    for _ in range(3):
        log.debug("event")
    assert limited.taken() == ["debug event"] * 3


def test_what_the_level_hides_is_not_counted(limited: Limited) -> None:
    log.info("event")
    logging.getLogger("spanflow").setLevel(logging.WARNING)
    log.info("event")
    logging.getLogger("spanflow").setLevel(logging.INFO)
    limited.now += INTERVAL_S
    log.info("event")
    assert limited.taken() == ["info event", "info event"]


def test_memory_is_bounded_and_the_oldest_class_goes(limited: Limited) -> None:
    (limit,) = logging.getLogger("spanflow").handlers[0].filters
    assert isinstance(limit, RateLimit)
    log.info("first")
    for number in range(MOST_CLASSES - 1):
        log.info("event", extra={"interface": f"veth{number}"})
    limited.taken()
    log.info("first")
    assert limited.taken() == []
    log.info("one more")
    log.info("first")
    assert limited.taken() == ["info one more", "info first"]
    for number in range(10 * MOST_CLASSES):
        log.info("event", extra={"interface": f"tap{number}"})
    assert len(limit._windows) == MOST_CLASSES


def test_threads_lose_no_count(limited: Limited) -> None:
    def work() -> None:
        for _ in range(500):
            log.info("event")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    limited.now += INTERVAL_S
    log.info("event")
    assert limited.taken() == ["info event", "info event held_back=1999"]
