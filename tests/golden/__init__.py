# SPDX-License-Identifier: Apache-2.0
"""Golden captures and the Flow Records that they must give.

`NAME.pcap` or `NAME.pcapng` is written from the recipe of that name, `NAME.json` beside it says in words and
numbers what the meter makes of it. `python -m golden.regenerate` (with `tests` and `daemon` on PYTHONPATH)
writes them all; the difference is reviewed like code. Tests read them with `names()` and `load(name)`.
"""

from golden.load import Golden, load, names

__all__ = ["Golden", "load", "names"]
