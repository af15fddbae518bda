# SPDX-License-Identifier: Apache-2.0
"""`spanflow explain`: what a collector will get, in words, and what it makes of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from spanflow.cli.settings_arguments import add_set_argument
from spanflow.cli.tables import escape
from spanflow.cli.text_output import write_text
from spanflow.errors import ExitCode, UsageError
from spanflow.information_elements import VARIABLE_LENGTH

if TYPE_CHECKING:
    from spanflow.config.schema import Collector, Settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "explain",
        help="show what a collector will get",
        description="Show what a collector gets: templates and options in words, two example Flows as they"
        " are sent to it, and what its product is known to ignore or to misread. Nothing is sent.",
    )
    parser.add_argument("collector", metavar="COLLECTOR", help="a URL, or the name of a collector in CONFIG")
    parser.add_argument("-c", "--config", metavar="FILE", help="a configuration file")
    add_set_argument(parser, example="export.enterprise_number=64999")
    parser.add_argument("--json", action="store_true", help="the same as one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Explain one collector. Raises SpanflowError."""
    from spanflow.cli.explanation import explanation
    from spanflow.config.load import load

    url = arguments.collector if "://" in arguments.collector else None
    settings = load(arguments.config, arguments.overrides, [url] if url else [])
    collector = settings.collectors[-1] if url else _named(settings, arguments.collector)
    explained = explanation(settings, collector)
    text = json.dumps(explained) if arguments.json else "\n".join(_text(explained))
    write_text(sys.stdout, f"{text}\n")
    return int(ExitCode.OK)


def _named(settings: Settings, name: str) -> Collector:
    from spanflow.config.wording import unknown

    known = {collector.name: collector for collector in settings.collectors}
    if name not in known:
        if not known:
            raise UsageError(
                f"explain: {name!r} is no URL, and no collector is configured; write one, as in"
                " ipfix+udp://192.0.2.1, or use -c CONFIG"
            )
        raise UsageError(f"explain: {unknown('collector', name, known)}")
    return known[name]


def _text(explained: dict[str, Any]) -> Iterator[str]:
    yield from _head(explained)
    for template in explained["templates"]:
        yield ""
        yield (
            f"template {template['template']}: {template['flows']}; {template['form']},"
            f" {template['octets']} octets"
        )
        for element in template["elements"]:
            number = f"{element['pen']}/{element['id']}" if element["pen"] else str(element["id"])
            octets = "variable" if element["octets"] == VARIABLE_LENGTH else str(element["octets"])
            yield f"  {element['name']:<32} {number:>9} {octets:>9}"
    if explained["options"]:
        yield ""
        yield "options (of a probe with one interface):"
        for each in explained["options"]:
            plural = "record" if each["records"] == 1 else "records"
            yield f"  template {each['template']}, {each['records']:,} {plural}: {_elements_of(each)}"
    for place, record in enumerate(explained["records"], 1):
        yield ""
        yield f"example record {place}:"
        for name, value in record.items():
            yield f"  {_TOLD.get(name, name):<32} {escape(str(value))}"
    yield from _notes(explained)


_TOLD = {"_application": "by options: application", "_ingressInterface": "by options: ingressInterface"}
_REASONS = {
    "filtered": "the filter leaves it out",
    "unexportable": "the protocol has no form for it; counted as dropped, unexportable",
}


def _head(explained: dict[str, Any]) -> Iterator[str]:
    name = "" if explained["collector"] == explained["url"] else f"{explained['collector']}: "
    profile = f", profile {explained['profile']}" if explained["profile"] else ""
    domain = f", domain {explained['domain']}" if explained["protocol"] != "json" else ""
    yield escape(f"{name}{explained['url']}{profile}{domain}")
    if explained["group"]:
        yield f"one of the group {explained['group']}, which shares the records"
    if explained["filter"]:
        yield escape(f"only records that match: {explained['filter']}")
    if explained["anonymize"] != "none":
        yield f"addresses are anonymised: {explained['anonymize']}"
    if explained["spool"]:
        yield escape(f"kept on disk while it is away: {explained['spool']}")


def _elements_of(options: dict[str, Any]) -> str:
    scope, elements = ", ".join(options["scope"]), ", ".join(options["elements"])
    return f"{elements}; scope {scope}" if scope else elements


def _notes(explained: dict[str, Any]) -> Iterator[str]:
    for each in explained["left_out"]:
        yield ""
        yield f"not sent: {each['example']}; {_REASONS[each['reason']]}"
    if explained["notes"]:
        yield ""
        yield "good to know:"
        for note in explained["notes"]:
            yield f"  {note['topic']}: {note['text']}"
