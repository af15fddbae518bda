# SPDX-License-Identifier: Apache-2.0
"""The directory of one collector's spool."""

from __future__ import annotations

import hashlib
import re

_LONGEST_SLUG = 48
_DIGEST_OCTETS = 5


def spool_folder(collector_name: str) -> str:
    """The name of the directory for the collector of this name: what is readable of it, and a short hash.

    It has no other characters than a-z, 0-9, '.', '_' and '-', and begins with a letter, a digit or '_'.
    """
    # Names that differ in one character only, or only after the cut, get different hashes.
    digest = hashlib.blake2b(collector_name.encode(), digest_size=_DIGEST_OCTETS).hexdigest()
    slug = re.sub(r"[^a-z0-9._]+", "-", collector_name.lower())[:_LONGEST_SLUG].strip(".-")
    return f"{slug or '_'}-{digest}"
