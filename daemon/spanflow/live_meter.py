# SPDX-License-Identifier: Apache-2.0
"""Metering live interfaces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from spanflow import _core
from spanflow.capture_sockets import OpenInterface
from spanflow.config.schema import Cache, Settings
from spanflow.exporting.transport.interface import LocalFlow
from spanflow.meter import (
    Meter,
    cache_too_large,
    engine_refused,
    metering_options,
    timeouts,
    too_few_flows,
)
from spanflow.metering_counters import MeteringCounters
from spanflow.status import InterfaceStatus


@dataclass(frozen=True, slots=True)
class WorkerProgress:
    """How often a worker has been round its loop: one that lives goes round ten times a second."""

    name: str
    turns: int
    finished: bool


class LiveMeter(Meter):
    """Meters the interfaces that were opened; they are used up.

    classification: None leaves Flows without an application. Raises ConfigError when the cache does not fit.
    """

    def __init__(
        self,
        settings: Settings,
        interfaces: Sequence[OpenInterface],
        classification: _core.ClassificationOptions | None = None,
    ) -> None:
        self._interfaces = interfaces
        try:
            self._native = _core.LiveMeter(
                [each.native for each in interfaces],
                metering_options(settings, classification),
                queue_octets=settings.capture.queue_size,
            )
        except MemoryError:
            raise cache_too_large(settings) from None
        except ValueError as error:
            raise too_few_flows(settings, error) from None
        except RuntimeError as error:
            raise engine_refused(error) from error
        super().__init__(self._native)

    def start(self) -> None:
        """Begin to meter. Once only."""
        self._native.start()

    def stop(self) -> None:
        """Let no more packets in. What is under way is metered, every Flow leaves, batches() ends."""
        self._native.stop()

    def set_timeouts(self, cache: Cache) -> None:
        """Take over other timeouts, for the Flows in the cache too; the rest of `cache` does not matter."""
        self._native.set_timeouts(**timeouts(cache))

    def set_own_exports(self, flows: Iterable[LocalFlow]) -> None:
        """Ignore these packets of ours (discard reason `own_export`) from now on, and no others.

        Of TCP and SCTP also what comes back.
        """
        self._native.set_own_exports(
            [
                (
                    _octets(flow.source),
                    flow.source_port,
                    _octets(flow.destination),
                    flow.destination_port,
                    flow.protocol,
                )
                for flow in flows
            ]
        )

    def interfaces(self) -> list[InterfaceStatus]:
        """Every interface, in the order of the settings."""
        states = self._native.states()
        return [
            _status(opened, [state for state in states if state["interface"] == number])
            for number, opened in enumerate(self._interfaces)
        ]

    def progress(self) -> list[WorkerProgress]:
        """Every worker."""
        return [
            WorkerProgress(
                f"capture {self._interfaces[state['interface']].name} worker {number}",
                state["turns"],
                state["finished"],
            )
            for number, state in enumerate(self._native.states())
        ]


def _status(opened: OpenInterface, workers: Sequence[dict[str, Any]]) -> InterfaceStatus:
    first = workers[0]
    return InterfaceStatus(
        name=opened.name,
        index=first["index"],
        bound=all(worker["bound"] for worker in workers),
        up=all(worker["up"] for worker in workers),
        workers=len(workers),
        engine=opened.engine,
        kernel_received=sum(worker["kernel_received"] for worker in workers),
        kernel_drops=sum(worker["kernel_drops"] for worker in workers),
        ring_freezes=sum(worker["ring_freezes"] for worker in workers),
        merged_frames=sum(worker["counters"]["merged_frames"] for worker in workers),
        appearances=min(worker["appearances"] for worker in workers),
        clock_steps=max(worker["counters"]["clock_steps"] for worker in workers),
        last_error=next((worker["last_error"] for worker in workers if worker["last_error"]), ""),
        metering=MeteringCounters.of_workers([worker["counters"] for worker in workers]),
    )


def _octets(address: IPv4Address | IPv6Address) -> bytes:
    """16 octets; an IPv4 address as ::ffff:a.b.c.d."""
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed
