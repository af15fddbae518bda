# SPDX-License-Identifier: Apache-2.0
"""Profiles: what suits one collector product: a list of elements, and the ids of their templates.

`generic` has IANA's elements alone, with the application where Flows are classified. `rich` has all there
is, in elements of our own too. Each list of elements continues the one before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spanflow.exporting.plugin_columns import PluginColumn, template_id_with
from spanflow.exporting.template import Form, Template, TemplateId, flow_template
from spanflow.fields import IP_VERSIONS, fields_of
from spanflow.information_elements import ENTERPRISE_NUMBER

TemplateKey = tuple[int, bool]
"""Which Flows a template is for: IP version, and whether they are ICMP."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Names of elements in their order; a template leaves out those that its kind of Flow does not have.

    variable_strings: whether its strings have variable lengths.
    """

    elements: tuple[str, ...]
    uniflow_ids: Mapping[TemplateKey, TemplateId]
    biflow_ids: Mapping[TemplateKey, TemplateId]
    variable_strings: bool = False

    def templates(
        self,
        *,
        biflow: bool,
        enterprise_number: int = ENTERPRISE_NUMBER,
        columns: Sequence[PluginColumn] = (),
    ) -> dict[TemplateKey, Template]:
        """The templates of this profile, for Biflows (RFC 5103) or for uniflows. columns: of plugins."""
        ids: Mapping[TemplateKey, int] = self.biflow_ids if biflow else self.uniflow_ids
        if columns:
            ids = {key: template_id_with(columns, base, enterprise_number) for key, base in ids.items()}
        form = Form(
            biflow=biflow,
            variable_strings=self.variable_strings,
            enterprise_number=enterprise_number,
            columns=columns,
        )
        return {key: flow_template(ids[key], fields_of(self.elements, *key), form) for key in _TEMPLATE_KEYS}


_TEMPLATE_KEYS: tuple[TemplateKey, ...] = tuple(
    (version, icmp) for version in IP_VERSIONS for icmp in (False, True)
)


GENERIC = Profile(
    # Counters come before the rest: akvorado drops an empty reverse half only if it meets them first.
    elements=(
        "sourceIPv4Address",
        "destinationIPv4Address",
        "sourceIPv6Address",
        "destinationIPv6Address",
        "sourceTransportPort",
        "destinationTransportPort",
        "protocolIdentifier",
        "octetDeltaCount",
        "packetDeltaCount",
        "flowStartMilliseconds",
        "flowEndMilliseconds",
        "ingressInterface",
        "egressInterface",
        "flowDirection",
        "tcpControlBits",
        "flowEndReason",
        "ipClassOfService",
        "ipVersion",
        "vlanId",
        "sourceMacAddress",
        "destinationMacAddress",
        "icmpTypeCodeIPv4",
        "icmpTypeCodeIPv6",
        "minimumTTL",
        "maximumTTL",
        "flowId",
        "biflowDirection",
    ),
    uniflow_ids={
        (4, False): TemplateId.GENERIC_IPV4,
        (6, False): TemplateId.GENERIC_IPV6,
        (4, True): TemplateId.GENERIC_IPV4_ICMP,
        (6, True): TemplateId.GENERIC_IPV6_ICMP,
    },
    biflow_ids={
        (4, False): TemplateId.GENERIC_IPV4_BIFLOW,
        (6, False): TemplateId.GENERIC_IPV6_BIFLOW,
        (4, True): TemplateId.GENERIC_IPV4_ICMP_BIFLOW,
        (6, True): TemplateId.GENERIC_IPV6_ICMP_BIFLOW,
    },
)

GENERIC_APPLICATION = Profile(
    elements=(*GENERIC.elements, "applicationId"),
    uniflow_ids={
        (4, False): TemplateId.APPLICATION_IPV4,
        (6, False): TemplateId.APPLICATION_IPV6,
        (4, True): TemplateId.APPLICATION_IPV4_ICMP,
        (6, True): TemplateId.APPLICATION_IPV6_ICMP,
    },
    biflow_ids={
        (4, False): TemplateId.APPLICATION_IPV4_BIFLOW,
        (6, False): TemplateId.APPLICATION_IPV6_BIFLOW,
        (4, True): TemplateId.APPLICATION_IPV4_ICMP_BIFLOW,
        (6, True): TemplateId.APPLICATION_IPV6_ICMP_BIFLOW,
    },
)

RICH = Profile(
    elements=(
        *GENERIC_APPLICATION.elements,
        "applicationName",
        "masterProtocol",
        "applicationCategory",
        "applicationConfidence",
        "flowRisk",
        "riskScore",
        "tlsVersion",
        "dnsQueryType",
        "dnsResponseCode",
        # The details, in the order of spanflow.details.Detail.
        "serverName",
        "ja3Client",
        "ja3Server",
        "ja4Client",
        "alpn",
        "httpUserAgent",
        "httpRequestTarget",
        "dnsAnswer",
    ),
    uniflow_ids={
        (4, False): TemplateId.RICH_IPV4,
        (6, False): TemplateId.RICH_IPV6,
        (4, True): TemplateId.RICH_IPV4_ICMP,
        (6, True): TemplateId.RICH_IPV6_ICMP,
    },
    biflow_ids={
        (4, False): TemplateId.RICH_IPV4_BIFLOW,
        (6, False): TemplateId.RICH_IPV6_BIFLOW,
        (4, True): TemplateId.RICH_IPV4_ICMP_BIFLOW,
        (6, True): TemplateId.RICH_IPV6_ICMP_BIFLOW,
    },
    variable_strings=True,
)

RICH_FIXED = Profile(
    elements=RICH.elements,
    uniflow_ids={
        (4, False): TemplateId.RICH_FIXED_IPV4,
        (6, False): TemplateId.RICH_FIXED_IPV6,
        (4, True): TemplateId.RICH_FIXED_IPV4_ICMP,
        (6, True): TemplateId.RICH_FIXED_IPV6_ICMP,
    },
    biflow_ids={
        (4, False): TemplateId.RICH_FIXED_IPV4_BIFLOW,
        (6, False): TemplateId.RICH_FIXED_IPV6_BIFLOW,
        (4, True): TemplateId.RICH_FIXED_IPV4_ICMP_BIFLOW,
        (6, True): TemplateId.RICH_FIXED_IPV6_ICMP_BIFLOW,
    },
)

PROFILES = (GENERIC, GENERIC_APPLICATION, RICH, RICH_FIXED)
"""All of them; no two have a Template ID in common."""


def profile_of(name: str, *, classified: bool, strings: str) -> Profile:
    """The profile for the settings `profile` and `strings`. classified: whether Flows have an application."""
    if name == "rich":
        return RICH_FIXED if strings == "fixed" else RICH
    return GENERIC_APPLICATION if classified else GENERIC
