# SPDX-License-Identifier: Apache-2.0
"""What one collector will get, as JSON values: its templates, its options, two examples, and what to know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from spanflow.applications import Applications
from spanflow.classification import open_classification
from spanflow.collecting.process import CollectingProcess
from spanflow.collecting.templates import Template
from spanflow.config.collector_options import fits
from spanflow.config.schema import Collector, Settings
from spanflow.exporting.clock import SystemClock
from spanflow.exporting.domain import observation_domain_id
from spanflow.exporting.example_flows import EXAMPLE_NS, EXAMPLES, example_batches
from spanflow.exporting.example_probe import ExampleProbe
from spanflow.exporting.intake import Intake
from spanflow.exporting.interface import Session
from spanflow.exporting.opening import Opener
from spanflow.exporting.profiles import Note
from spanflow.exporting.protocol_notes import PROTOCOL_NOTES
from spanflow.record import Batch

Explained = dict[str, Any]

_SENT_NS = EXAMPLE_NS + 60_000_000_000
_SPACIOUS = 65_507
"""Octets of a Message where the path decides."""


def explanation(settings: Settings, collector: Collector) -> Explained:
    """All that is to be said. Raises SpanflowError: a key that cannot be read, a Template too long."""
    applications = open_classification(settings.dpi).applications
    export = collector.effective(settings.export)
    opener = Opener(
        collector=collector,
        settings=export,
        domain=observation_domain_id(settings.export, collector),
        offline=False,
        applications=applications,
        columns=(),
        facts=ExampleProbe(),
        clock=SystemClock(),
        wait=lambda seconds: False,
        certificates=None,
    )
    spools = collector.spool and fits("spool", collector.scheme)
    has_templates = collector.protocol in ("ipfix", "netflow9")
    profile = opener.profile() if has_templates else None
    reading = _Reading(opener.session(export.max_message_size or _SPACIOUS))
    reading.announce()
    reading.export(Intake(collector, applications), applications)
    notes = (*PROTOCOL_NOTES[collector.protocol], *(profile.notes if profile is not None else ()))
    return {
        "collector": collector.name,
        "url": collector.url,
        "protocol": collector.protocol,
        "transport": collector.transport,
        "profile": collector.profile if profile is not None else None,
        "domain": opener.domain,
        "spool": (export.spool_directory or None) if spools else None,
        "group": collector.group,
        "filter": collector.filter,
        "anonymize": collector.anonymize,
        "templates": list(_templates(opener)) if has_templates else [],
        "options": reading.options,
        "records": reading.records,
        "left_out": reading.left_out,
        "notes": [_note(each) for each in notes],
    }


def _note(note: Note) -> dict[str, str]:
    return {"topic": note.topic, "text": note.text}


def _templates(opener: Opener) -> Iterator[Explained]:
    """Each template once, its fields in the order of a Data Record."""
    for (version, icmp), template in opener.templates().items():
        yield {
            "template": int(template.template_id),
            "flows": f"IPv{version}, {'ICMP' if icmp else 'not ICMP'}",
            "octets": template.record_octets,
            "form": "Biflow" if len(template.halves) == 1 else "uniflow",
            "elements": [
                {"name": each.name, "id": each.number, "pen": each.pen, "octets": each.length}
                for each in template.elements
            ],
        }


class _Reading:
    """What our own collector reads of the Messages of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._reader = CollectingProcess()
        self.options: list[Explained] = []
        self.records: list[Explained] = []
        self.left_out: list[dict[str, str]] = []

    def announce(self) -> None:
        """Read Templates and options."""
        session = self._session
        for octets in session.template_messages(_SENT_NS):
            self._take(octets)
        for each in (*session.options_messages(_SENT_NS), *session.table_messages(_SENT_NS)):
            self._take(each.octets)

    def export(self, intake: Intake, applications: Applications | None) -> None:
        """Read the examples, as far as the collector gets them."""
        for name, batch in zip(EXAMPLES, example_batches(applications), strict=True):
            kept, _, filtered = intake.apply(batch)
            if filtered.records:
                self.left_out.append({"example": name, "reason": "filtered"})
            elif not self._session.exportable(kept):
                self.left_out.append({"example": name, "reason": "unexportable"})
            else:
                self._export(kept)

    def _export(self, batch: Batch) -> None:
        for rows in self._session.rows(batch):
            for run in self._session.messages(rows, _SENT_NS).runs:
                octets = bytes(run.octets)
                if not self._session.is_binary:
                    self.records += [json.loads(line) for line in octets.splitlines()]
                    continue
                for at in range(0, len(octets), run.message_octets):
                    self._take(octets[at : at + run.message_octets])

    def _take(self, octets: bytes) -> None:
        session, message = self._reader.receive(octets, "example")
        for data_set in message.data_sets:
            template = data_set.template
            if template.is_options:
                self._note_options(template, len(data_set.records))
                continue
            for record in data_set.records:
                said = session.said(message.header.observation_domain_id, template.by_name(record))
                told = {"_application": said.application, "_ingressInterface": said.ingress_interface}
                self.records.append(
                    template.json_object(record) | {key: text for key, text in told.items() if text}
                )

    def _note_options(self, template: Template, records: int) -> None:
        for known in self.options:
            if known["template"] == template.template_id:
                known["records"] += records
                return
        names = [field.name for field in template.fields]
        self.options.append(
            {
                "template": template.template_id,
                "scope": names[: template.scope_count],
                "elements": names[template.scope_count :],
                "records": records,
            }
        )
