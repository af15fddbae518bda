# SPDX-License-Identifier: Apache-2.0
"""What the product sends: from sessions alone, over a wire that keeps everything, and over loopback."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

from exporting.classified_flows import APPLICATIONS
from exporting.clocks import SECOND_NS, FakeClock
from exporting.flow_batches import START_NS
from exporting.stream_peers import eventually
from spanflow.config.schema import Collector, Export
from spanflow.exporting.counters import DeliveryCounters
from spanflow.exporting.delivery import Delivery, Refresh, once
from spanflow.exporting.element_choice import ElementChoice
from spanflow.exporting.facts import ExportingFacts, MeteringFacts, ObservedInterface
from spanflow.exporting.interface import Session
from spanflow.exporting.options import EVERY_PACKET, Sampling
from spanflow.exporting.pacing import Unpaced
from spanflow.exporting.process import ExportingProcess
from spanflow.exporting.session import IpfixSession
from spanflow.exporting.transport.interface import LocalFlow, Sent
from spanflow.record import Batch

DOMAIN = 7
NOW = START_NS + 60 * SECOND_NS
MILLISECOND_NS = 1_000_000


class Facts:
    """A probe with two interfaces, and with losses of all kinds."""

    started_ns = START_NS - 3600 * SECOND_NS
    version = 1
    more_keys = ("vlanId",)

    def __init__(self) -> None:
        self.observed = [ObservedInterface(3, "eth3", "uplink"), ObservedInterface(4, "eth4", "downlink")]
        self.metering_facts = MeteringFacts(
            observed_packets=1000,
            selected_packets=980,
            ignored_packets=20,
            ignored_octets=1234,
            first_ignored_ns=NOW - 9 * SECOND_NS,
            last_ignored_ns=NOW - 2 * SECOND_NS,
        )

    def interfaces(self) -> Sequence[ObservedInterface]:
        return self.observed

    def metering(self) -> MeteringFacts:
        return self.metering_facts

    def exporting(self) -> ExportingFacts:
        return ExportingFacts()


def ipfix(
    profile: str = "generic",
    *,
    max_octets: int = 1400,
    sequence_number: int = 0,
    domain: int = DOMAIN,
    facts: Facts | None = None,
    sampling: Sampling = EVERY_PACKET,
    classified: bool = True,
    **choice: Any,
) -> IpfixSession:
    """A session as a collector gets it who chose so (`ElementChoice`)."""
    made = ElementChoice(profile=profile, **choice).profile_for(classified=classified)
    return IpfixSession(
        made.templates(),
        options=made.options,
        sampling=sampling,
        observation_domain_id=domain,
        max_message_octets=max_octets,
        applications=APPLICATIONS if classified else None,
        facts=facts or Facts(),
        sequence_number=sequence_number,
    )


def announced(session: Session, now_ns: int = NOW) -> list[bytes]:
    """The Messages with Templates and all options."""
    messages = session.template_messages(now_ns)
    messages += [each.octets for each in session.options_messages(now_ns)]
    return messages + [each.octets for each in session.table_messages(now_ns)]


def data(session: Session, batch: Batch, now_ns: int = NOW) -> list[bytes]:
    """The Messages with these Flows."""
    found = []
    for rows in session.rows(batch):
        for run in session.messages(rows, now_ns).runs:
            octets = bytes(run.octets)
            found += [
                octets[at : at + run.message_octets] for at in range(0, len(octets), run.message_octets)
            ]
    return found


class Wire:
    """A transport that keeps what it is given, or fails as `outcomes` say, one for each call."""

    rotation_due = False
    path_mtu_changed = False
    refusals = 0
    last_error = "EPERM"

    def __init__(self, *outcomes: Sent, reliable: bool = False) -> None:
        self.reliable = reliable
        self.ended = ""
        self.flow: LocalFlow | None = LocalFlow(ip_address("192.0.2.1"), 1, ip_address("192.0.2.2"), 4739)
        self.outcomes = list(outcomes)
        self.messages: list[bytes] = []

    def max_message_octets(self) -> int:
        return 1400

    def messages_per_call(self, message_octets: int) -> int:
        return 1

    def send(self, octets: memoryview, message_octets: int) -> Sent:
        sent = self.outcomes.pop(0) if self.outcomes else Sent.ALL
        if sent is Sent.ALL:
            self.messages.append(bytes(octets))
        return sent

    def notice(self) -> None: ...

    def unacknowledged_octets(self) -> int:
        return 0

    def finish(self, timeout_s: float) -> bool:
        return True

    def close(self) -> None: ...


class Sending:
    """A Delivery over a wire, with the clock in the test's hand."""

    def __init__(self, session: Session, wire: Any, *, export: Export | None = None) -> None:
        settings = export or Export()
        self.clock = FakeClock(NOW)
        self.wire = wire
        self.counters = DeliveryCounters()
        udp = Refresh(
            template_ns=settings.template_refresh,
            template_messages=settings.template_refresh_packets,
            options_ns=settings.options_refresh,
            copies=settings.template_copies,
        )
        refresh = once(settings.options_refresh) if wire.reliable else udp
        self.delivery = Delivery(wire, session, Unpaced(), refresh, self.clock, lambda: False, self.counters)


@contextmanager
def udp_collector() -> Iterator[socket.socket]:
    """A UDP socket on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        yield listening


def received(listening: socket.socket) -> list[bytes]:
    """All that has arrived, without waiting: received, or pieces of a stream."""
    found = []
    listening.setblocking(False)
    try:
        while True:
            found.append(listening.recv(65536))
    except BlockingIOError:
        return found


def process_to(
    listening: socket.socket | int,
    *,
    clock: FakeClock | None = None,
    export: Export | None = None,
    **options: Any,
) -> ExportingProcess:
    """An Exporting Process to a listener, or a port, on loopback; the test turns its crank."""
    port = listening if isinstance(listening, int) else listening.getsockname()[1]
    more = {name: options.pop(name) for name in ("facts", "resolver", "applications") if name in options}
    return ExportingProcess(
        Collector(host=options.pop("host", "127.0.0.1"), port=port, **options),
        export or Export(),
        domain=DOMAIN,
        clock=clock,
        **more,
    )


def exported(
    batches: Iterable[Batch], *, export: Export | None = None, clock: FakeClock | None = None, **options: Any
) -> list[bytes]:
    """What a collector on loopback gets over UDP."""
    with udp_collector() as listening:
        process = process_to(listening, clock=clock, export=export, **options)
        for batch in batches:
            assert process.offer(batch)
            process.turn(0)
        process.stop()
        return received(listening)


def turn_until(process: ExportingProcess, condition: Callable[[], object], what: str) -> None:
    """Turn the crank until it is so."""

    def turned() -> object:
        process.turn(0)
        return condition()

    eventually(turned, what)
