# SPDX-License-Identifier: Apache-2.0
"""The Templates in force in one Observation Domain (RFC 7011 sections 8 and 8.1)."""

from __future__ import annotations

from spanflow.collecting.templates import Template


class TemplateTable:
    """Templates and Options Templates by Template ID; the two kinds share one space of ids.

    A Message changes a copy, which replaces the table when the whole Message has proved valid.
    """

    __slots__ = ("by_id", "fields", "options_templates")

    def __init__(self) -> None:
        self.by_id: dict[int, Template] = {}
        self.fields = 0
        """Fields of all of them."""
        self.options_templates = 0

    def copy(self) -> TemplateTable:
        table = TemplateTable()
        table.by_id = self.by_id.copy()
        table.fields = self.fields
        table.options_templates = self.options_templates
        return table

    def define(self, template: Template) -> None:
        """Put a Template in force; it replaces one with the same id."""
        self.withdraw(template.template_id)
        self.by_id[template.template_id] = template
        self.fields += len(template.fields)
        self.options_templates += template.is_options

    def withdraw(self, template_id: int) -> None:
        """Take a Template out of force, if it is."""
        template = self.by_id.pop(template_id, None)
        if template is not None:
            self.fields -= len(template.fields)
            self.options_templates -= template.is_options

    def withdraw_all(self, options: bool) -> None:
        """Take all Options Templates, or all Templates, out of force."""
        if (self.options_templates if options else len(self.by_id) - self.options_templates) == 0:
            return
        for template in list(self.by_id.values()):
            if template.is_options == options:
                self.withdraw(template.template_id)
