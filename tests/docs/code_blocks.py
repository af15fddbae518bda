# SPDX-License-Identifier: Apache-2.0
"""The code of a page in Markdown, and the output that it claims."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```python( live)?\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """line: of its first line in the page. live: it captures on an interface. output: None: not shown."""

    line: int
    live: bool
    code: str
    output: str | None


def code_blocks(page: Path) -> Iterator[CodeBlock]:
    """All of the language python, in order; the output is in a block of text right behind."""
    text = page.read_text()
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start(2)) + 1
        yield CodeBlock(line, found[1] is not None, found[2], found[3])
