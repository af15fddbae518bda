# SPDX-License-Identifier: Apache-2.0
"""Options Data Records: what a collector has to know beside the Flows (RFC 7011 section 4).

So far one: how packets were sampled. Some collectors drop every Flow until they are told, so 1:1 is told too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from spanflow.exporting.ipfix import set_of
from spanflow.exporting.template import OptionsTemplate, TemplateId, options_template

COUNT_BASED_SAMPLING = 1
"""selectorAlgorithm: systematic count-based sampling (RFC 5477 section 8.2.2)."""

SELECTOR_ID = 0
"""Data Records name no selector, and akvorado then looks up the selector 0."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """`interval` packets are selected, then `space` packets are not (RFC 5477): 1 and 0 is every packet.

    One record says it to nfdump, pmacct and akvorado, which take (interval + space) / interval, and to
    goflow2, which takes the interval for the rate: the same only at 1:1.
    """

    interval: int = 1
    space: int = 0

    def encode_set(self) -> bytes:
        """The Data Set with the record that announces this sampling; it holds one Data Record."""
        template = sampling_template()
        record = template.encode_record(SELECTOR_ID, COUNT_BASED_SAMPLING, self.interval, self.space)
        return set_of(template.template_id, record)


EVERY_PACKET = Sampling()


@cache
def sampling_template() -> OptionsTemplate:
    """The Options Template of Sampling."""
    return options_template(
        TemplateId.SAMPLING,
        scope=("selectorId",),
        names=("selectorAlgorithm", "samplingPacketInterval", "samplingPacketSpace"),
    )
