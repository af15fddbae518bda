# SPDX-License-Identifier: Apache-2.0
"""Profiles: what suits one collector product: a list of elements, and the ids of their templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spanflow.exporting.template import Template, TemplateId, biflow_template, uniflow_template
from spanflow.fields import IP_VERSIONS, fields_of

TemplateKey = tuple[int, bool]
"""Which Flows a template is for: IP version, and whether they are ICMP."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Names of elements in their order; a template leaves out those that its kind of Flow does not have."""

    elements: tuple[str, ...]
    uniflow_ids: Mapping[TemplateKey, TemplateId]
    biflow_ids: Mapping[TemplateKey, TemplateId]

    def templates(self, *, biflow: bool) -> dict[TemplateKey, Template]:
        """The templates of this profile, for Biflows (RFC 5103) or for uniflows."""
        ids = self.biflow_ids if biflow else self.uniflow_ids
        build = biflow_template if biflow else uniflow_template
        return {
            (version, icmp): build(ids[version, icmp], fields_of(self.elements, version, icmp))
            for version in IP_VERSIONS
            for icmp in (False, True)
        }


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

PROFILES: Mapping[str, Profile] = {"generic": GENERIC}
"""Every profile by the name that the setting `profile` takes."""
