# SPDX-License-Identifier: Apache-2.0
"""Sections of RESULTS.md that are measured apart, and stay there when the others are measured again."""

from __future__ import annotations

import re

KEPT = ("## Live", "## Classification", "## Library", "## Export")


def with_section(report: str, section: str) -> str:
    """A report with this section as its end, in place of one of the same heading."""
    heading = section.partition("\n")[0]
    return report.replace(section_of(report, heading), "").rstrip() + f"\n\n{section.rstrip()}\n"


def section_of(report: str, heading: str) -> str:
    """From its heading to the next of the same rank; "" if there is none."""
    found = re.search(rf"^{re.escape(heading)}\n.*?(?=^## |\Z)", report, re.MULTILINE | re.DOTALL)
    return found.group() if found else ""
