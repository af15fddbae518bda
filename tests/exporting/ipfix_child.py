# SPDX-License-Identifier: Apache-2.0
"""Run as a program: the `ipfix` package's reader over Messages on stdin; one JSON object per record.

A process of its own, with limits on memory and CPU time, as that reader can loop on a malformed Template.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MEMORY_OCTETS = 1 << 30
CPU_SECONDS = 60


def plain(value: Any) -> Any:
    """What JSON can carry: times as Unix milliseconds, addresses as text, octets as hexadecimal."""
    if isinstance(value, datetime):
        return round(value.replace(tzinfo=UTC).timestamp() * 1000)
    if isinstance(value, bytes):
        return value.hex(":")
    return value if isinstance(value, int) else str(value)


def main() -> None:
    """Read everything, print every record."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_OCTETS, MEMORY_OCTETS))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    warnings.simplefilter("ignore")
    import ipfix.ie
    import ipfix.reader

    import spanflow

    ipfix.ie.use_iana_default()
    ipfix.ie.use_5103_default()
    # What IANA registered since the package was made, and our own: the notation is the package's.
    for name in ("information_elements_since_2014.iespec", "spanflow.iespec"):
        specifications = Path(spanflow.__file__).with_name(name).read_text("utf-8").splitlines()
        for each in specifications:
            if not each.endswith(("unsigned256>[32]", "List>[65535]")):  # types that it does not know
                ipfix.ie.for_spec(each)
    for record in ipfix.reader.from_stream(sys.stdin.buffer).namedict_iterator():
        print(json.dumps({name: plain(value) for name, value in record.items()}))


if __name__ == "__main__":
    main()
