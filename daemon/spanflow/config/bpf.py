# SPDX-License-Identifier: Apache-2.0
"""The capture filter as a kind of value: libpcap's own compiler says whether it is right."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass

from spanflow.config.values import InvalidValueError, JsonSchema, Kind
from spanflow.config.wording import quoted, shown

LONGEST_FILTER = 4096

# An expression may fit one kind of device only (`inbound` needs a cooked capture): right means that it
# compiles for one of these. The first one's message is shown.
_LINK_TYPES = ("DLT_EN10MB", "DLT_LINUX_SLL", "DLT_RAW", "DLT_PPP", "DLT_NULL")


@dataclass(frozen=True, slots=True)
class CaptureFilter(Kind[str]):
    """A pcap-filter(7) expression; empty takes every packet. Host names in it are resolved."""

    def parse(self, text: str) -> str:
        expression = " ".join(text.split())
        if expression:
            _compile(expression)
        return expression

    def render(self, value: str) -> str:
        return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'

    def type_text(self) -> str:
        return "filter"

    def range_text(self) -> str:
        return f"a pcap-filter(7) expression of at most {LONGEST_FILTER} characters"

    def json_schema(self) -> JsonSchema:
        return {"type": "string", "maxLength": LONGEST_FILTER}


def _compile(expression: str) -> None:
    """Compile for every link type until one succeeds; InvalidValueError has libpcap's first message."""
    if len(expression) > LONGEST_FILTER:
        raise InvalidValueError(f"{len(expression)} characters are too long; use at most {LONGEST_FILTER}")
    if not expression.isprintable():
        raise InvalidValueError(f"{quoted(expression)} has characters that do not print; remove them")
    # Late: most commands never see a filter. It has no type stubs, hence import_module.
    pcapy = importlib.import_module("pcapy")
    problem = ""
    for link_type in _LINK_TYPES:
        try:
            pcapy.compile(getattr(pcapy, link_type), 65535, expression, 1, 0)
            return
        except pcapy.PcapError as error:
            problem = problem or shown(str(error), 200)
    raise InvalidValueError(f"{quoted(expression)} is no capture filter: {problem}; see pcap-filter(7)")
