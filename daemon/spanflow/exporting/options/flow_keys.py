# SPDX-License-Identifier: Apache-2.0
"""Which elements of a Data Record are the Flow Keys (RFC 7011 section 4.4)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from spanflow.exporting.facts import ProbeFacts
from spanflow.exporting.options.table import OptionsKind, OptionsTable
from spanflow.exporting.template import OptionsTemplate, Template, options_template
from spanflow.exporting.template_ids import TemplateId


@cache
def flow_keys_template() -> OptionsTemplate:
    """The Flow Keys Options Template."""
    return options_template(TemplateId.FLOW_KEYS, scope=("templateId",), names=("flowKeyIndicator",))


def flow_keys(templates: Iterable[Template], facts: ProbeFacts) -> OptionsKind:
    """A record for each template."""
    template = flow_keys_template()
    records = [
        template.encode_record(each.template_id, each.key_indicator(facts.more_keys)) for each in templates
    ]
    return OptionsKind.of(OptionsTable(template, records))
