# SPDX-License-Identifier: Apache-2.0
"""JSON laid out for review: few lines, but a change of one value changes one line."""

from __future__ import annotations

import json
from typing import Any

LINE_LENGTH = 110
SHORT = 90


def lay_out(value: Any, indent: int = 0) -> str:
    """JSON text, as many members on a line as fit; short objects take one line, others lines of their own."""
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {lay_out(member, indent + 1)}" for key, member in value.items()]
        flat = "{" + ", ".join(items) + "}"
        if len(flat) + indent <= SHORT and "\n" not in flat:
            return flat
        return _spread("{", items, "}", indent)
    if isinstance(value, list) and any(isinstance(member, dict) for member in value):
        return _spread("[", [lay_out(member, indent + 1) for member in value], "]", indent)
    return json.dumps(value, ensure_ascii=False)


def _spread(opening: str, items: list[str], closing: str, indent: int) -> str:
    """Brackets on lines of their own, what is between them indented by one."""
    separated = [item + "," for item in items[:-1]] + items[-1:]
    lines = separated if indent == 0 else _packed(separated, LINE_LENGTH - indent - 1)
    between = "".join("\n" + " " * (indent + 1) + line for line in lines)
    return opening + between + "\n" + " " * indent + closing


def _packed(items: list[str], width: int) -> list[str]:
    """Items joined into lines of up to `width` characters; an item of several lines stays alone."""
    lines: list[str] = []
    for item in items:
        joined = f"{lines[-1]} {item}" if lines else item
        if lines and "\n" not in joined and len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(item)
    return lines
