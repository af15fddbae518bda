# SPDX-License-Identifier: Apache-2.0
"""What our own elements are (RFC 5610)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from spanflow.exporting.options.table import OptionsTable
from spanflow.exporting.plugin_columns import PluginColumn
from spanflow.exporting.template import OptionsTemplate, options_template
from spanflow.exporting.template_ids import TemplateId
from spanflow.fields import Field
from spanflow.information_elements import ABSTRACT_DATA_TYPES

_UNITS = {"": 0}
"""The values of informationElementUnits that our own elements have (RFC 5610 section 3.3)."""


@cache
def elements_template() -> OptionsTemplate:
    """The Options Template of type information (RFC 5610 section 3.9)."""
    return options_template(
        TemplateId.ELEMENTS,
        scope=("privateEnterpriseNumber", "informationElementId"),
        names=(
            "informationElementDataType",
            "informationElementSemantics",
            "informationElementUnits",
            "informationElementRangeBegin",
            "informationElementRangeEnd",
            "informationElementName",
            "informationElementDescription",
        ),
        widths={"informationElementName": 32, "informationElementDescription": 96},
    )


def elements_table(fields: Iterable[Field | PluginColumn], enterprise_number: int) -> OptionsTable:
    """A record for each of these fields, whose elements are our own. Range 0..0: all that the type allows."""
    template = elements_template()
    return OptionsTable(
        template,
        [
            template.encode_record(
                enterprise_number,
                field.element.number,
                ABSTRACT_DATA_TYPES.index(field.element.type),
                field.semantics,
                _UNITS[field.unit],
                0,
                0,
                field.name,
                field.description,
            )
            for field in fields
        ],
    )
