# SPDX-License-Identifier: Apache-2.0
"""What the Metering and the Exporting Process have done and lost (RFC 7011 sections 4.1 to 4.3).

Times are those of the first and the last loss; 0 as long as nothing was lost.
"""

from __future__ import annotations

from functools import cache

from spanflow.exporting.facts import ProbeFacts
from spanflow.exporting.options.table import EXPORTING_PROCESS, METERING_PROCESS, OptionsKind
from spanflow.exporting.template import OptionsTemplate, options_template
from spanflow.exporting.template_ids import TemplateId

_NANOSECONDS_PER_MILLISECOND = 1_000_000
_FIRST_AND_LAST = ("observationTimeMilliseconds", "observationTimeMilliseconds")
"""RFC 7011 sections 4.2 and 4.3: twice the same element, the first loss before the last."""


@cache
def metering_statistics_template() -> OptionsTemplate:
    """The Metering Process Statistics Options Template (RFC 7011 section 4.1)."""
    return options_template(
        TemplateId.METERING_STATISTICS,
        scope=("observationDomainId", "meteringProcessId"),
        names=("exportedMessageTotalCount", "exportedFlowRecordTotalCount", "exportedOctetTotalCount"),
    )


@cache
def metering_reliability_template() -> OptionsTemplate:
    """The Metering Process Reliability Statistics Options Template (RFC 7011 section 4.2)."""
    return options_template(
        TemplateId.METERING_RELIABILITY,
        scope=("observationDomainId", "meteringProcessId"),
        names=("ignoredPacketTotalCount", "ignoredOctetTotalCount", *_FIRST_AND_LAST),
    )


@cache
def exporting_reliability_template() -> OptionsTemplate:
    """The Exporting Process Reliability Statistics Options Template (RFC 7011 section 4.3)."""
    return options_template(
        TemplateId.EXPORTING_RELIABILITY,
        scope=("exportingProcessId",),
        names=(
            "notSentFlowTotalCount",
            "notSentPacketTotalCount",
            "notSentOctetTotalCount",
            *_FIRST_AND_LAST,
        ),
    )


@cache
def system_init_time_template() -> OptionsTemplate:
    """The Options Template of the start of the probe, which flow*SysUpTime count from (RFC 5153 section
    4.7)."""
    return options_template(
        TemplateId.SYSTEM_INIT_TIME,
        scope=("observationDomainId",),
        names=("systemInitTimeMilliseconds",),
    )


def metering_statistics(facts: ProbeFacts, observation_domain_id: int) -> OptionsKind:
    """One record: what was sent before."""

    def values() -> tuple[int, ...]:
        sent = facts.exporting()
        return observation_domain_id, METERING_PROCESS, sent.messages, sent.data_records, sent.octets

    return OptionsKind.single(metering_statistics_template(), values)


def metering_reliability(facts: ProbeFacts, observation_domain_id: int) -> OptionsKind:
    """One record: packets that were not metered."""

    def values() -> tuple[int, ...]:
        lost = facts.metering()
        return (
            observation_domain_id,
            METERING_PROCESS,
            lost.ignored_packets,
            lost.ignored_octets,
            _milliseconds(lost.first_ignored_ns),
            _milliseconds(lost.last_ignored_ns),
        )

    return OptionsKind.single(metering_reliability_template(), values)


def exporting_reliability(facts: ProbeFacts) -> OptionsKind:
    """One record: Flow Records that were not sent to this collector, and the packets and octets in them."""

    def values() -> tuple[int, ...]:
        lost = facts.exporting()
        return (
            EXPORTING_PROCESS,
            lost.not_sent_records,
            lost.not_sent_packets,
            lost.not_sent_octets,
            _milliseconds(lost.first_not_sent_ns),
            _milliseconds(lost.last_not_sent_ns),
        )

    return OptionsKind.single(exporting_reliability_template(), values)


def system_init_time(facts: ProbeFacts, observation_domain_id: int) -> OptionsKind:
    """One record: when the probe was started."""
    return OptionsKind.single(
        system_init_time_template(), lambda: (observation_domain_id, _milliseconds(facts.started_ns))
    )


def _milliseconds(time_ns: int) -> int:
    return max(0, time_ns) // _NANOSECONDS_PER_MILLISECOND
