# SPDX-License-Identifier: Apache-2.0
"""`spanflow spool replay`: to whom, and the sending."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from spanflow.config.collector_settings import STREAMS
from spanflow.config.collector_url import CollectorError, parse_collector
from spanflow.config.schema import Collector, Export
from spanflow.errors import ExitCode, SpanflowError, UsageError
from spanflow.exporting.clock import SystemClock
from spanflow.exporting.counters import DeliveryCounters, Tally
from spanflow.exporting.pacing import SECOND_NS
from spanflow.exporting.spool.replay import replay
from spanflow.exporting.spool.store import Spool
from spanflow.exporting.transport.interface import Transport


class ReplayError(SpanflowError):
    """Not all of a spool could be sent."""

    exit_code = ExitCode.UNAVAILABLE


def receiver(name: str, collectors: Sequence[Collector], url: str | None) -> Collector:
    """Who gets the spool of the collector of this name. Raises UsageError."""
    if url is None:
        known = {each.name: each for each in collectors}
        if name not in known:
            raise UsageError("no collector has the name of this spool; say who gets it with --to")
        collector = known[name]
    else:
        try:
            collector = parse_collector(url)
        except CollectorError as error:
            raise UsageError(f"--to: {str(error).splitlines()[0]}") from None
    if collector.transport not in (*STREAMS, "file"):
        raise UsageError(
            f"{collector.scheme}: the Messages of a spool are too long for it; use ipfix+tcp or ipfix+file"
        )
    return collector


def send(directory: Path, collector: Collector, export: Export) -> Tally:
    """Send a spool; what was delivered. Raises ReplayError, and OSError if the spool cannot be used."""
    clock, settings = SystemClock(), collector.effective(export)
    # Neither age nor size: who sends it by hand wants all of it.
    spool = Spool(directory, max_octets=1 << 62, max_age_ns=0, clock=clock, preface=bytes)
    try:
        _check_protocol(spool, collector)
        transport = _connected(collector, settings, clock)
        try:
            result = replay(
                spool,
                transport,
                clock,
                _wait,
                rate=settings.spool_rate,
                patience_s=settings.send_timeout / SECOND_NS,
            )
        finally:
            transport.close()
        if result.error:
            raise ReplayError(
                f"{collector.url}: {result.error}; {result.delivered.records} records were delivered,"
                f" {spool.tally.records} are still in the spool"
            )
        return result.delivered
    finally:
        spool.close()


def _check_protocol(spool: Spool, collector: Collector) -> None:
    stored = spool.take()
    spool.give_back()
    if stored is not None and bool(stored.parcel.counts) != (collector.protocol == "ipfix"):
        holds = "Messages of IPFIX" if stored.parcel.counts else "lines of JSON"
        raise UsageError(f"{collector.scheme}: the spool holds {holds}; use a URL that fits")


def _connected(collector: Collector, settings: Export, clock: SystemClock) -> Transport:
    from spanflow.exporting.connecting import Connector, NotConnectedError
    from spanflow.exporting.facts import NO_FACTS
    from spanflow.exporting.opening import Opener
    from spanflow.exporting.transport.addresses import resolve
    from spanflow.exporting.transport.certificates import CertificateError, Certificates

    certificates = None
    if collector.transport == "tls":
        try:
            certificates = Certificates(ca=collector.ca, certificate=collector.certificate, key=collector.key)
        except CertificateError as error:
            raise ReplayError(str(error)) from error
    opener = Opener(
        collector=collector,
        settings=settings,
        domain=0,
        offline=False,
        applications=None,
        columns=(),
        facts=NO_FACTS,
        clock=clock,
        wait=_wait,
        certificates=certificates,
    )
    connector = Connector(collector, settings, opener.transport, clock, resolve, DeliveryCounters(), _wait)
    try:
        return connector.connect()
    except NotConnectedError as error:
        raise ReplayError(f"{collector.url}: {error.error}; nothing was sent") from error


def _wait(seconds: float) -> bool:
    if seconds > 0:
        time.sleep(seconds)
    return False
