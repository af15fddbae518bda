# SPDX-License-Identifier: Apache-2.0
"""How packets were sampled. Some collectors drop every Flow until they are told, so 1:1 is told too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from spanflow.exporting.facts import ProbeFacts
from spanflow.exporting.options.table import OptionsKind, OptionsTable
from spanflow.exporting.options_choice import SamplingForm
from spanflow.exporting.template import OptionsTemplate, options_template
from spanflow.exporting.template_ids import TemplateId

COUNT_BASED_SAMPLING = 1
"""selectorAlgorithm: systematic count-based sampling (RFC 5477 section 8.2.2).

samplingAlgorithm and samplerMode (RFC 3954 section 8) have the same number for it: deterministic.
"""

SELECTOR_ID = 0
"""Data Records name no selector, and akvorado then looks up the selector 0."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """`interval` packets are selected, then `space` packets are not (RFC 5477): 1 and 0 is every packet."""

    interval: int = 1
    space: int = 0

    @property
    def rate(self) -> int:
        """One packet of so many is selected."""
        return (self.interval + self.space) // self.interval

    def table(self) -> OptionsTable:
        """The record that announces it to pmacct and akvorado, which take (interval + space) / interval.

        Old versions of goflow2 take the interval for the rate: the same only at 1:1.
        """
        template = sampling_template()
        record = template.encode_record(SELECTOR_ID, COUNT_BASED_SAMPLING, self.interval, self.space)
        return OptionsTable(template, [record])


EVERY_PACKET = Sampling()


@cache
def sampling_template() -> OptionsTemplate:
    """The Options Template of a selector (RFC 5476 section 6.5.1)."""
    return options_template(
        TemplateId.SAMPLING,
        scope=("selectorId",),
        names=("selectorAlgorithm", "samplingPacketInterval", "samplingPacketSpace"),
    )


@cache
def interval_template() -> OptionsTemplate:
    """The Options Template of the rate and how packets are chosen."""
    return options_template(
        TemplateId.SAMPLING_INTERVAL,
        scope=("observationDomainId",),
        names=("samplingInterval", "samplingAlgorithm"),
    )


@cache
def rate_template() -> OptionsTemplate:
    """The Options Template of the rate alone."""
    return options_template(
        TemplateId.SAMPLING_RATE, scope=("observationDomainId",), names=("samplingInterval",)
    )


@cache
def sampler_template() -> OptionsTemplate:
    """The Options Template of a sampler. samplerId is no Scope Field: those who read it look elsewhere."""
    return options_template(
        TemplateId.SAMPLER,
        scope=("observationDomainId",),
        names=("samplerId", "samplerMode", "samplerRandomInterval"),
    )


@cache
def selector_statistics_template() -> OptionsTemplate:
    """The Options Template of what a selector has seen and selected (RFC 5476 section 6.5.3)."""
    return options_template(
        TemplateId.SELECTOR_STATISTICS,
        scope=("selectorId",),
        names=("selectorIdTotalPktsObserved", "selectorIdTotalPktsSelected"),
    )


def sampling_kind(form: SamplingForm, sampling: Sampling, observation_domain_id: int) -> OptionsKind:
    """The one record that announces a sampling in this form."""
    match form:
        case SamplingForm.SELECTOR:
            return OptionsKind.of(sampling.table())
        case SamplingForm.INTERVAL:
            values = (observation_domain_id, sampling.rate, COUNT_BASED_SAMPLING)
            return OptionsKind.single(interval_template(), lambda: values)
        case SamplingForm.RATE:
            rate = (observation_domain_id, sampling.rate)
            return OptionsKind.single(rate_template(), lambda: rate)
        case SamplingForm.SAMPLER:
            told = (observation_domain_id, SELECTOR_ID, COUNT_BASED_SAMPLING, sampling.rate)
            return OptionsKind.single(sampler_template(), lambda: told)


def selector_statistics(facts: ProbeFacts) -> OptionsKind:
    """One record: packets that came to the selector, and those that were metered."""

    def values() -> tuple[int, int, int]:
        metering = facts.metering()
        return SELECTOR_ID, metering.observed_packets, metering.selected_packets

    return OptionsKind.single(selector_statistics_template(), values)
