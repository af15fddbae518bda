# SPDX-License-Identifier: Apache-2.0
"""A YAML text as a tree of nodes with positions: bounded, one document, no tags, no key given twice.

Scalars stay text here; the schema decides what they are. Names, numbers and dates are not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from spanflow.config.findings import Findings, Place, excerpt
from spanflow.config.wording import quoted, shown

LARGEST_FILE = 1 << 20
DEEPEST = 32
MOST_NODES = 100_000
MOST_ALIASES = 64

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# YAML 1.2 section 5.4: these end a line for the parser, so they must for us.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
# YAML 1.2 section 5.1: everything else is not allowed in a stream.
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_ADVICE = (
    ("cannot start any token", "quote the value, and indent with spaces, not tabs"),
    (
        "mapping values are not allowed",
        "indent the line above it rightly, or quote a value that contains ': '",
    ),
    ("could not find expected ':'", "write `key: value`"),
    ("expected ',' or", "close the bracket, or put a comma between the items"),
    ("expected node content", "quote a value that begins with [ or { and is no list or mapping"),
    ("undefined alias", "define it before with &, or quote a value that begins with *"),
    ("nesting depth", "no setting needs that"),
    ("", "look at indentation, quotes and brackets"),
)


@dataclass(frozen=True)
class Document:
    """One YAML text. fixed: where it stands when it is no file but an argument of the command line."""

    name: str
    text: str
    fixed: Place | None = None

    @cached_property
    def lines(self) -> list[str]:
        """The source lines, as the parser counts them."""
        return _LINE_BREAK.split(self.text)

    def place(self, node: yaml.Node) -> Place:
        """Where a node begins."""
        return (
            self.place_at(node.start_mark.line, node.start_mark.column) if self.fixed is None else self.fixed
        )

    def place_at(self, line: int, column: int) -> Place:
        """A position, both numbers from 0."""
        if self.fixed is not None:
            return self.fixed
        source = self.lines[line] if line < len(self.lines) else ""
        picture = excerpt(source, column) if source.strip() else ""
        return Place(f"{self.name}:{line + 1}:{column + 1}", picture, rank=(0, line, column))


class _TextError(Exception):
    """The text cannot become a tree. line and column from 0."""

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.column = line, column


def decode(name: str, content: bytes, findings: Findings) -> Document | None:
    """The text of a file, None after a finding: it must be UTF-8, and only characters that YAML allows."""
    document = Document(name, content.decode("utf-8-sig", "replace"))
    offset, problem = _not_utf_8(content)
    strange = _NOT_ALLOWED.search(document.text, 0, offset)
    if strange:
        offset = strange.start()
        character = f"U+{ord(strange[0]):04X}"
        problem = f"character {character} is not allowed in YAML; remove it, or is this a binary file?"
    if not problem:
        return document
    breaks = list(_LINE_BREAK.finditer(document.text, 0, offset))
    column = offset - (breaks[-1].end() if breaks else 0)
    findings.add(document.place_at(len(breaks), column), "", problem)
    return None


def _not_utf_8(content: bytes) -> tuple[int, str]:
    """How many characters there are before the first octet that is not UTF-8, and the error for it."""
    try:
        return len(content.decode("utf-8-sig")), ""
    except UnicodeDecodeError as error:
        # error.object lacks the byte order mark, if there was one.
        good = error.object[: error.start].decode("utf-8")
        octet = error.object[error.start]
        return len(good), f"octet 0x{octet:02x} is not UTF-8; save the file as UTF-8 text"


def compose(document: Document, findings: Findings) -> yaml.Node | None:
    """The root node; None for an empty document or after a finding that leaves no tree."""
    try:
        _check_bounds(document.text)
        root = yaml.compose(document.text, Loader=Loader)
    except _TextError as error:
        findings.add(document.place_at(error.line, error.column), "", str(error))
        return None
    except yaml.YAMLError as error:
        findings.add(*_syntax_error(document, error))
        return None
    if root is not None:
        for place, key, problem in _wrong_keys(document, root):
            findings.add(place, key, problem)
    return root


def _position(mark: Any) -> tuple[int, int]:
    """Line and column, from 0. A node that was not read from a text has no mark."""
    return (mark.line, mark.column) if mark is not None else (0, 0)


def _check_bounds(text: str) -> None:
    """Go through the events before there is a tree. Raises _TextError at the first excess."""
    depth = nodes = aliases = documents = 0
    for event in yaml.parse(text, Loader=Loader):
        position = _position(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _TextError(*position, "a second document begins; keep only one, remove ---")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            aliases += isinstance(event, yaml.AliasEvent)
            depth += isinstance(event, yaml.CollectionStartEvent)
            problem = _excess(depth, nodes, aliases)
            tag = getattr(event, "tag", None)
            if tag is not None:
                problem = f"tag {quoted(tag)} is not allowed; remove it, the key decides the type"
            if problem:
                raise _TextError(*position, problem)


def _excess(depth: int, nodes: int, aliases: int) -> str:
    if depth > DEEPEST:
        return f"nested more than {DEEPEST} levels deep; no setting needs that"
    if nodes > MOST_NODES:
        return f"more than {MOST_NODES} values and keys; make the file smaller"
    if aliases > MOST_ALIASES:
        return f"more than {MOST_ALIASES} aliases; write the values out"
    return ""


def _syntax_error(document: Document, error: yaml.YAMLError) -> tuple[Place, str, str]:
    if not isinstance(error, yaml.MarkedYAMLError):
        return document.place_at(0, 0), "", f"not YAML: {shown(str(error), 200)}"
    mark, context = error.problem_mark, error.context_mark
    what = shown(f"{error.problem or ''} {error.context or ''}".strip(), 200)
    at_end = mark is None or not document.text[mark.index :].strip()
    if context is not None and at_end:
        # A bracket or quote that is never closed: the place to look at is where it opens.
        mark = context
    advice = next(advice for part, advice in _ADVICE if part in what)
    return document.place_at(*_position(mark)), "", f"not YAML: {what}; {advice}"


def _wrong_keys(document: Document, root: yaml.Node) -> Iterator[tuple[Place, str, str]]:
    """Keys that are no words, and keys that are there twice: the place of each, its full key, the problem."""
    waiting, seen = [("", root)], {id(root)}
    while waiting:
        path, node = waiting.pop()
        children: list[tuple[str, yaml.Node]] = []
        if isinstance(node, yaml.SequenceNode):
            children = [(f"{path}[{index}]", item) for index, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            first: dict[str, yaml.Node] = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    yield document.place(key), path, "a list or mapping cannot be a key; use a word"
                    continue
                full = f"{path}.{shown(key.value)}" if path else shown(key.value)
                if key.value in first:
                    line = _position(first[key.value].start_mark)[0] + 1
                    yield document.place(key), full, f"given twice, first in line {line}; remove one"
                first.setdefault(key.value, key)
                children.append((full, value))
        for child in children:
            # An alias is the very node it stands for; one visit is enough, and a loop has an end.
            if id(child[1]) not in seen:
                seen.add(id(child[1]))
                waiting.append(child)
