# SPDX-License-Identifier: Apache-2.0
"""Flows with what classification adds, a table of applications, and what collectors must show of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from exporting.flow_batches import (
    IPV4_FLOWS,
    IPV6_FLOWS,
    Classified,
    Flow,
    Values,
    batch_of,
    biflow_of,
    uniflows_of,
)
from spanflow.applications import Application, Applications
from spanflow.exporting.profiles import Profile
from spanflow.exporting.session import IpfixSession

NOW = 1_800_000_000 * 10**9
DOMAIN = 7
SAMPLING: Values = {
    "selectorId": 0,
    "selectorAlgorithm": 1,
    "samplingPacketInterval": 1,
    "samplingPacketSpace": 0,
}

ENGINE = 22 << 24
"""nDPI's engine id in the first octet of applicationId."""

USER_DEFINED = 0x80_0001


def _application(number: int, selector: int, name: str, category: str, breed: str) -> Application:
    return Application(number, ENGINE | selector, name, category, breed, selector >= USER_DEFINED)


APPLICATIONS = Applications(
    engine="nDPI",
    version="4.2.0",
    by_number={
        each.number: each
        for each in (
            _application(5, 5, "DNS", "Network", "Acceptable"),
            _application(7, 7, "HTTP", "Web", "Acceptable"),
            _application(81, 81, "ICMP", "Network", "Acceptable"),
            _application(91, 91, "TLS", "Web", "Safe"),
            _application(126, 126, "Google", "Web", "Acceptable"),
            _application(300, USER_DEFINED, "Büro-Telefonie äußerst l", "VoIP", "Fun"),
        )
    },
)
"""The last name has 24 characters in 27 octets."""

_TLS = Classified(
    application_id=ENGINE | 126,
    application=126,
    master_protocol=91,
    application_category=5,
    confidence=5,
    flow_risk=1 << 63 | 1 << 15 | 1,
    risk_score=110,
    tls_version=0x0303,
    texts={
        "server_name": "www.google.com",
        "ja3_client": "66918128f1b9b03303d77c6f2eefd128",
        "ja3_server": "b898351eb5e266aefd3723d466935494",
        "ja4_client": "t13d1516h2_8daaf6152771_e5627efa2ab1",
        "alpn": "h2,http/1.1",
    },
)
_DNS = Classified(
    application_id=ENGINE | 5,
    application=5,
    application_category=14,
    confidence=5,
    dns_query_type=28,
    dns_response_code=0,
    texts={"server_name": "example.com", "dns_answer": "2606:2800:220:1:248:1893:25c8:1946"},
)
_ICMP = Classified(application_id=ENGINE | 81, application=81, application_category=14, confidence=5)
_HTTP = Classified(
    application_id=ENGINE | 7,
    application=7,
    confidence=5,
    texts={
        "server_name": "b\u00fccher.example",
        "http_user_agent": "Mozilla/5.0 (X11; Linux x86_64) " + "\u2603" * 70,
        "http_url": "b\u00fccher.example/" + "x" * 230,
    },
)
_RULE = Classified(
    application_id=ENGINE | USER_DEFINED, application=300, confidence=6, texts={"server_name": "s" * 254}
)
_BY_PORT = Classified(application_id=ENGINE | 91, application=91, confidence=1)


def _classified(flows: tuple[Flow, ...], *found: Classified) -> tuple[Flow, ...]:
    """The Flows, as many as there are, with these results; the others stay without one."""
    results = list(found) + [Classified()] * (len(flows) - len(found))
    return tuple(replace(flow, classified=each) for flow, each in zip(flows, results, strict=True))


CLASSIFIED_IPV4 = _classified(IPV4_FLOWS, _TLS, _DNS, _ICMP, _RULE, _BY_PORT, _HTTP)
CLASSIFIED_IPV6 = _classified(IPV6_FLOWS, _TLS, _DNS, _ICMP)

WIDTHS = {
    "serverName": 64,
    "ja3Client": 33,
    "ja3Server": 33,
    "ja4Client": 37,
    "alpn": 24,
    "httpUserAgent": 96,
    "httpRequestTarget": 96,
    "dnsAnswer": 46,
}
"""Of the fixed form, in octets; in the order in which the details are sent."""


def application_of(flow: Flow) -> Values:
    """What the `generic` template adds."""
    return {"applicationId": flow.classified.application_id}


def rich_of(flow: Flow, *, fixed: bool = False) -> Values:
    """What the `rich` template adds."""
    found = flow.classified
    application = APPLICATIONS.by_number.get(found.application)
    texts = {
        "serverName": found.texts.get("server_name", ""),
        "ja3Client": found.texts.get("ja3_client", ""),
        "ja3Server": found.texts.get("ja3_server", ""),
        "ja4Client": found.texts.get("ja4_client", ""),
        "alpn": found.texts.get("alpn", ""),
        "httpUserAgent": found.texts.get("http_user_agent", ""),
        "httpRequestTarget": found.texts.get("http_url", ""),
        "dnsAnswer": found.texts.get("dns_answer", ""),
    }
    if fixed:
        texts = {name: cut(text, WIDTHS[name] - 1) for name, text in texts.items()}
    return application_of(flow) | {
        "applicationName": "" if application is None else cut(application.name, 23),
        "masterProtocol": found.master_protocol,
        "applicationCategory": found.application_category,
        "applicationConfidence": found.confidence,
        "flowRisk": found.flow_risk,
        "riskScore": found.risk_score,
        "tlsVersion": found.tls_version,
        "dnsQueryType": found.dns_query_type,
        "dnsResponseCode": found.dns_response_code,
        **texts,
    }


def cut(text: str, octets: int) -> str:
    """As many whole characters as fit."""
    while len(text.encode()) > octets:
        text = text[:-1]
    return text


def applications_told(domain: int) -> list[Values]:
    """The options records about applications, in their order."""
    in_order = sorted(APPLICATIONS.by_number.values(), key=lambda each: each.application_id)
    names = [
        {
            "observationDomainId": domain,
            "applicationId": each.application_id,
            "applicationName": cut(each.name, 23),
            "applicationDescription": cut(APPLICATIONS.description(each), 54),
        }
        for each in in_order
    ]
    attributes = [
        {
            "applicationId": each.application_id,
            "applicationCategoryName": each.category,
            "applicationSubCategoryName": each.breed,
        }
        for each in in_order
    ]
    return names + attributes


def records_of(*, biflow: bool, added: Callable[[Flow], Values]) -> list[Values]:
    """The Data Records of all CLASSIFIED Flows, with what a template adds, in the order of their sending."""
    records: list[Values] = []
    for flows in (CLASSIFIED_IPV4, CLASSIFIED_IPV6):
        for flow in sorted(flows, key=lambda flow: flow.is_icmp):
            records += [each | added(flow) for each in ([biflow_of(flow)] if biflow else uniflows_of(flow))]
    return records


def whole_export(profile: Profile, *, biflow: bool) -> list[bytes]:
    """The Messages of a session: Templates, all options, all CLASSIFIED Flows."""
    session = IpfixSession(
        profile.templates(biflow=biflow),
        observation_domain_id=DOMAIN,
        max_message_octets=1400,
        applications=APPLICATIONS,
    )
    found = session.template_messages(NOW)
    found += [each.octets for each in session.options_messages(NOW)]
    found += [each.octets for each in session.table_messages(NOW)]
    for flows in (CLASSIFIED_IPV4, CLASSIFIED_IPV6):
        for rows in session.rows(batch_of(*flows)):
            for run in session.messages(rows, NOW).runs:
                octets = bytes(run.octets)
                cuts = range(0, len(octets), run.message_octets)
                found += [octets[at : at + run.message_octets] for at in cuts]
    return found
