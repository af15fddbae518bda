# SPDX-License-Identifier: Apache-2.0
"""Which options of a collector go together: with its protocol, its transport, and with each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from spanflow.config.collector_settings import SCHEMES, STREAMS, Collector
from spanflow.config.declare import settings_of
from spanflow.exporting.transport.file_names import problem_of

_NETWORK = ("udp", "dtls", *STREAMS)
_SECURE = ("tls", "dtls")

_TRANSPORTS: Mapping[str, tuple[str, ...]] = {
    "source": _NETWORK,
    "dscp": _NETWORK,
    "ttl": _NETWORK,
    "ca": _SECURE,
    "certificate": _SECURE,
    "key": _SECURE,
    "server_name": _SECURE,
    "spool": (*STREAMS, "file"),
    "retry_interval": (*STREAMS, "dtls"),
    "send_timeout": (*STREAMS, "dtls"),
    "rotate_size": ("file",),
    "rotate_time": ("file",),
    "compression": ("file",),
    "template_copies": ("udp", "dtls"),
    "template_refresh": ("udp", "dtls"),
    "template_refresh_packets": ("udp", "dtls"),
    "pace": ("udp", "dtls"),
}
"""Options that only some transports have. Over the others Templates are sent once, and nothing overruns."""

_PROTOCOLS: Mapping[str, tuple[str, ...]] = {
    "profile": ("ipfix", "netflow9"),
    "elements": ("ipfix", "netflow9"),
    "add": ("ipfix", "netflow9"),
    "remove": ("ipfix", "netflow9"),
    "biflow": ("ipfix",),
    "strings": ("ipfix",),
    "options_refresh": ("ipfix", "netflow9"),
    "mtu": ("ipfix", "netflow9", "netflow5"),
}
"""Options that only some protocols have."""


def fits(key: str, scheme: str) -> bool:
    """Whether collectors with this scheme have this option."""
    of = SCHEMES[scheme]
    return of.transport in _TRANSPORTS.get(key, (of.transport,)) and of.protocol in _PROTOCOLS.get(
        key, (of.protocol,)
    )


def misplaced(collector: Collector) -> Iterator[tuple[str, str]]:
    """Each option that does not go with the rest, and what to do."""
    misfits = set()
    for key, declared in settings_of(Collector).items():
        if getattr(collector, declared.attribute) == declared.default:
            continue
        if not fits(key, collector.scheme):
            schemes = [scheme for scheme in SCHEMES if fits(key, scheme)]
            yield key, f"has no meaning for {collector.scheme}; remove it, or use {', '.join(schemes)}"
            misfits.add(key)
    yield from _together(collector)
    yield from (problem for problem in _chosen(collector) if problem[0] not in misfits)


def _together(collector: Collector) -> Iterator[tuple[str, str]]:
    if collector.path and (problem := problem_of(collector.path)):
        yield "url", problem
    if collector.elements is not None and collector.remove is not None:
        yield "remove", "has no meaning beside elements; leave them out there"
    if (collector.certificate is None) != (collector.key is None):
        missing = "certificate" if collector.certificate is None else "key"
        yield missing, "is missing; certificate and key go together"
    if (collector.anonymize == "crypto-pan") != (collector.anonymize_key is not None):
        if collector.anonymize_key is None:
            yield "anonymize_key", "is missing; make one with `spanflow keygen FILE` and name it here"
        else:
            yield "anonymize_key", "has no meaning without anonymize=crypto-pan; remove it"
    for key in ("anonymize_ipv4", "anonymize_ipv6"):
        # Who sets one expects that addresses are cut, and would send them whole.
        default = settings_of(Collector)[key].default
        if getattr(collector, key) != default and collector.anonymize != "truncate":
            yield key, "has no meaning without anonymize=truncate; add that, or remove it"
    if collector.group_mode != "failover" and collector.group is None:
        yield "group_mode", "has no meaning without group; add group=NAME"


def _chosen(collector: Collector) -> Iterator[tuple[str, str]]:
    """What is wrong with the elements that are asked for, under the first option that asks for some."""
    options = ("elements", "add", "remove", "biflow", "strings")
    asked = [option for option in options if getattr(collector, option) is not None]
    if not asked or collector.protocol not in ("ipfix", "netflow9"):
        return
    # Late: few ask for anything, and the registry takes longer to read than the settings.
    from spanflow.exporting.element_choice import choice_of

    for problem in choice_of(collector).problems():
        option, colon, text = problem.partition(": ")
        yield (option, text) if colon and option in options else (asked[0], problem)
